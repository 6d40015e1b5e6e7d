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
from vall_e.errors import VallEError

from .checks import CHECKS
from .codec_training import CodecTrainingConfig
from .register import register
from .schema import Config
from .seal import seal

C = TypeVar("C")
R = TypeVar("R")

log = logging.getLogger(__name__)


def open_job(raw: DictConfig, *, needs: Collection[str] = ()) -> Config:
    """The composed tree as typed settings, after the files among `needs` (tokenizer, dataset, weights) proved usable.

    Inside a Hydra run the resolved settings are kept beside Hydra's own record, as `config.resolved.yaml`.
    """
    register()
    config = seal(raw, Config)
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


def keep_resolved(raw: DictConfig) -> None:
    """Write `config.resolved.yaml`, every interpolation replaced by its value, into the folder of a Hydra run."""
    if not HydraConfig.initialized():
        return
    folder = Path(HydraConfig.get().runtime.output_dir)
    replace_text(folder / "config.resolved.yaml", OmegaConf.to_yaml(raw, resolve=True))
