"""An app's first line: seal the settings and open the files they name, before anything slow begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial, wraps
from pathlib import Path
from typing import TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vall_e.atomic import replace_text
from vall_e.errors import ConfigError, DataError, VallEError

from .codec_training import CodecTrainingConfig
from .facts import DatasetFacts, dataset_facts, vocabulary_size
from .register import register
from .schema import Config
from .seal import seal
from .search_path import ambiguous

C = TypeVar("C")
R = TypeVar("R")

log = logging.getLogger(__name__)


def open_job(raw: DictConfig, *, needs: Collection[str] = ()) -> Config:
    """The composed tree as typed settings, after the files among `needs` (tokenizer, dataset) proved usable.

    Inside a Hydra run the resolved settings are kept beside Hydra's own record, as `config.resolved.yaml`.
    """
    register()
    config = seal(raw, Config)
    if found := list(ambiguous()):
        raise ConfigError("\n".join(found))
    for need in needs:
        CHECKS[need](config)
    keep_resolved(raw)
    return config


def starts(*, needs: Collection[str] = ()) -> Callable[[Callable[[Config], R]], Callable[[DictConfig], R]]:
    """Decorator below `hydra.main`: the function gets typed settings instead of the composed tree."""
    return opens_with(partial(open_job, needs=needs))


def open_codec_training(raw: DictConfig) -> CodecTrainingConfig:
    """The composed tree of `vall_e.train_codec` as typed settings."""
    register()
    config = seal(raw, CodecTrainingConfig)
    keep_resolved(raw)
    return config


def opens_with(open_config: Callable[[DictConfig], C]) -> Callable[[Callable[[C], R]], Callable[[DictConfig], R]]:
    """A decorator that gives a function what `open_config` makes of the composed tree."""

    def decorate(main: Callable[[C], R]) -> Callable[[DictConfig], R]:
        @wraps(main)
        def started(raw: DictConfig) -> R:
            try:
                return main(open_config(raw))
            except VallEError as error:
                if HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN:
                    log.error("%s", error)  # a sweep goes on; Hydra tells of the first failed job alone, at the end
                raise

        return started

    return decorate


def check_tokenizer(config: Config) -> None:
    """The tokenizer's file exists, and every token has a row in the text embedding."""
    size, rows = vocabulary_size(config.tokenizer, config.tokenizer_path), config.model.text_tokens
    if size > rows:
        name = config.tokenizer_path or config.tokenizer or "ipa"
        raise ConfigError(f"model.text_tokens={rows} is too small for the {size} tokens of the tokenizer {name}")


def check_dataset(config: Config) -> None:
    """The dataset exists, was made by `vall_e.prepare`, and holds the codes of the codec in use."""
    here, backend = f"dataset.hdf5_name={config.dataset.hdf5_name}", config.audio_backend.name
    facts = dataset_facts(config.dataset.hdf5_name)
    if facts.codec != backend:
        advice = f"prepare it again, or set audio_backend={facts.codec}"
        raise DataError(f"{here} holds codes of the codec {facts.codec}, but audio_backend={backend}: {advice}")
    for name in ("sample_rate", "frame_rate", "levels", "codebook_size"):
        found, expected = getattr(facts, name), getattr(config.codec, name)
        if found != expected:
            raise DataError(f"{here} has {name} {found}, but codec.{name}={expected}")
    if not facts.utterances:
        raise DataError(f"{here} holds no utterance")
    log.info("%s", described(config.dataset.hdf5_name, facts))


def described(path: str, facts: DatasetFacts) -> str:
    """One line on a dataset."""
    duration = f"{facts.hours:.1f} hours" if facts.hours >= 1 else f"{facts.hours * 60:.1f} minutes"
    speech = f"{facts.utterances} utterances, {duration}, {len(facts.speakers)} speakers ({', '.join(facts.languages)})"
    return f"{path}: {speech}; {facts.codec} codes, {facts.levels} levels at {facts.frame_rate:g} frames/s"


CHECKS: dict[str, Callable[[Config], None]] = {"tokenizer": check_tokenizer, "dataset": check_dataset}


def keep_resolved(raw: DictConfig) -> None:
    """Write `config.resolved.yaml`, every interpolation replaced by its value, into the folder of a Hydra run."""
    if not HydraConfig.initialized():
        return
    folder = Path(HydraConfig.get().runtime.output_dir)
    replace_text(folder / "config.resolved.yaml", OmegaConf.to_yaml(raw, resolve=True))
