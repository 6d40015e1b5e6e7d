"""The part of the speech that a run learns from, and the part that it is evaluated with."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.config.schema import Config
from vall_e.data.dataset import SpeechDataset
from vall_e.data.store.store import Store
from vall_e.errors import DataError
from vall_e.text import Tokenizer

log = logging.getLogger(__name__)


def open_split(cfg: Config, tokenizer: Tokenizer, codec: Codec, split: str) -> SpeechDataset:
    """A split of the dataset; without validation speech the training speech stands in, which is said.

    Validation speech is for evaluation, which needs what tts needs, whatever tasks are learnt.
    DataError if the codes are not those of the codec in use.
    """
    path, settings = Path(cfg.dataset.hdf5_name), cfg.dataset
    if split == "validation":
        settings = replace(settings, tasks_list=["tts"])
    with Store(path) as store:
        if not store.info.codec.agrees(codec.identity):
            raise DataError(
                f"{path} was prepared with other weights of the codec {codec.identity.name}: prepare it again"
            )
        if split == "validation" and not has_split(store, split):
            log.warning("%s has no validation speech: training speech is evaluated in its place", path)
            split = "training"
    return SpeechDataset(
        path,
        settings,
        tokenizer,
        split,
        codec.identity.frame_rate,
        cfg.seed,
        tolerant=cfg.silent_errors,
        open_codec=partial(open_codec, cfg.audio_backend, cfg.codec, cfg.dataset.reencode_device),
    )


def has_split(store: Store, split: str) -> bool:
    """Whether any utterance belongs to `split`."""
    return split in store.info.splits and bool(np.any(store.column("split") == store.info.splits.index(split)))
