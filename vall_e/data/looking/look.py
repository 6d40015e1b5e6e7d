"""Looking at a dataset: what it holds, one utterance, and a few samples of each task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.audio.read import write_wav
from vall_e.config.dataset import TASKS
from vall_e.config.schema import Config
from vall_e.data.dataset import SpeechDataset
from vall_e.data.sample import Sample
from vall_e.data.store.store import Store
from vall_e.data.utterance import Utterance
from vall_e.errors import DataError
from vall_e.text import open_tokenizer

from .page import Shown, show
from .pictures import draw_totals, draw_utterance
from .sounds import Heard, write_samples
from .totals import count_totals

log = logging.getLogger(__name__)

SAMPLES = 4
"""Of each task at most, whatever a batch of the settings holds."""


def look(cfg: Config, codec: Codec, folder: Path) -> None:
    """Write `index.html` with its pictures and sounds into `folder`; the seed chooses what is shown.

    Tasks that the dataset lacks something for are named with the reason.
    """
    path = Path(cfg.dataset.hdf5_name)
    with Store(path) as store:
        totals = count_totals(store)
        draw_totals(folder / "totals.png", totals)
        utterance = _utterance(store, cfg.seed)
    for name, told in totals.rows():
        log.info("%s: %s", name, told)
    _show_utterance(folder, utterance, codec)
    shown = Shown(
        name=str(path),
        totals=totals.rows(),
        utterance=utterance,
        tasks={task: _task(cfg, task, codec, folder) for task in TASKS},
    )
    show(folder / "index.html", shown)
    log.info("To listen: %s", folder / "index.html")


def _utterance(store: Store, seed: int) -> Utterance:
    """One of the store that is speech, if there is any."""
    spoken = np.flatnonzero(store.column("split") != store.info.splits.index("noise"))
    rows = spoken if len(spoken) else np.arange(len(store))
    return store.utterance(int(np.random.default_rng(seed).choice(rows)))


def _show_utterance(folder: Path, utterance: Utterance, codec: Codec) -> None:
    rate = codec.identity.sample_rate
    wave = codec.decode(torch.from_numpy(utterance.codes)).cpu()
    write_wav(folder / "utterance.wav", wave.numpy(), rate)
    draw_utterance(folder / "utterance.png", wave, rate, f"{utterance.speaker}: {utterance.id}")
    log.info("%s (%s): %s", utterance.id, utterance.speaker, utterance.text)
    log.info("phonemes: %s", utterance.phonemes)


def _task(cfg: Config, task: str, codec: Codec, folder: Path) -> Sequence[Heard] | str:
    """Samples of a task as files, or why there are none."""
    try:
        samples = _samples(cfg, task)
    except DataError as error:
        log.warning("%s is not shown: %s", task, error)
        return str(error)
    found = list(write_samples(folder, samples, codec))
    log.info("%s: %d shown, the first %s", task, len(found), found[0].pieces)
    return found


def _samples(cfg: Config, task: str) -> list[Sample]:
    """Of training speech, drawn with the seed."""
    dataset = SpeechDataset(
        Path(cfg.dataset.hdf5_name),
        replace(cfg.dataset, tasks_list=[task]),
        open_tokenizer(cfg.tokenizer, cfg.tokenizer_path),
        "training",
        cfg.codec.frame_rate,
        cfg.seed,
        tolerant=cfg.silent_errors,
        open_codec=partial(open_codec, cfg.audio_backend, cfg.codec, cfg.dataset.reencode_device),
    )
    count = min(SAMPLES, cfg.hyperparameters.batch_size, len(dataset))
    drawn = np.random.default_rng(cfg.seed).choice(len(dataset), count, replace=False).tolist()
    return [dataset.sample(index, 0) for index in drawn]
