"""An app's first line: seal the settings and open the files they name, before anything slow begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial, wraps
from pathlib import Path
from typing import TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from vall_e.errors import ConfigError, VallEError

from .checks import CHECKS
from .codec_training import CodecTrainingConfig
from .origins import job_origins, with_origins
from .register import register
from .run_record import keep_record
from .schema import Config
from .seal import seal
from .search_path import ambiguous

C = TypeVar("C")
R = TypeVar("R")

log = logging.getLogger(__name__)


def open_job(raw: DictConfig, *, needs: Collection[str] = ()) -> Config:
    """The composed tree as typed settings, after the files among `needs` (tokenizer, dataset, weights) proved usable.

    Inside a Hydra run its record is kept beside Hydra's own, see `run_record`.
    """
    config = seal_job(raw, Config)
    if found := list(ambiguous()):
        raise ConfigError("\n".join(found))
    for need in needs:
        CHECKS[need](config)
    keep_resolved(raw)
    return config


def seal_job(raw: DictConfig, kind: type[C]) -> C:
    """`seal`; inside a Hydra run its ConfigError says of every problem where the value came from."""
    register()
    try:
        return seal(raw, kind)
    except ConfigError as error:
        if not HydraConfig.initialized():
            raise
        raise ConfigError(with_origins(str(error), job_origins())) from error


def starts(*, needs: Collection[str] = ()) -> Callable[[Callable[[Config], R]], Callable[[DictConfig], R]]:
    """Decorator below `hydra.main`: the function gets typed settings instead of the composed tree."""
    return opens_with(partial(open_job, needs=needs))


def open_codec_training(raw: DictConfig) -> CodecTrainingConfig:
    """The composed tree of `vall_e.train_codec` as typed settings."""
    config = seal_job(raw, CodecTrainingConfig)
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


def keep_resolved(raw: DictConfig) -> None:
    """Keep in the folder of a Hydra run its settings, every interpolation replaced by its value, and their origins."""
    if HydraConfig.initialized():
        job = HydraConfig.get()
        keep_record(Path(job.runtime.output_dir), job.job.name, raw)
