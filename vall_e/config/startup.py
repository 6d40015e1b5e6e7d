"""An app's first line: seal the settings and open the files they name, before anything slow begins."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from functools import partial, wraps
from pathlib import Path
from typing import TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from vall_e.errors import ConfigError, SweepError

from .checks import CHECKS
from .explain import explain
from .fault import is_users
from .joint_start import start_jointly
from .origins import job_origins, with_origins
from .rank import rank
from .records.run_record import keep_record
from .register import register
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


def starts(
    *, needs: Collection[str] = (), several: bool = False
) -> Callable[[Callable[[Config], R]], Callable[[DictConfig], R]]:
    """Decorator below `hydra.main`: the function gets typed settings instead of the composed tree.

    `several` ranks are refused unless the app knows how to use them.
    """
    return opens_with(partial(open_job, needs=needs), several=several)


def open_alone(raw: DictConfig, kind: type[C]) -> C:
    """The composed tree of an app with a root of its own as typed settings."""
    config = seal_job(raw, kind)
    keep_resolved(raw)
    return config


def opens_with(
    open_config: Callable[[DictConfig], C], *, several: bool = False
) -> Callable[[Callable[[C], R]], Callable[[DictConfig], R]]:
    """A decorator that gives a function what `open_config` makes of the composed tree, on each of `several` ranks."""

    def decorate(main: Callable[[C], R]) -> Callable[[DictConfig], R]:
        @wraps(main)
        def started(raw: DictConfig) -> R:
            if not (HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN):
                start_jointly(several=several)
                return main(open_config(raw))
            try:
                start_jointly(several=several)
                return rankable(main(open_config(raw)))
            except Exception as error:
                tell(error)  # a sweep goes on; Hydra raises the first error alone, at the end
                raise

        return started

    return decorate


def rankable(objective: R) -> R:
    """What a job of a sweep returns; SweepError for nan and inf, which neither a leaderboard nor Optuna can place."""
    if isinstance(objective, float) and not math.isfinite(objective):
        raise SweepError(f"the job returned {objective}, and only finite numbers can be ranked")
    return objective


def tell(error: Exception) -> None:
    """Log why a job failed: a sentence for what a user can mend, a traceback for what is our fault."""
    if is_users(error):
        log.error("%s", explain(error))
    else:
        log.error("%s", error, exc_info=error)


def keep_resolved(raw: DictConfig) -> None:
    """Keep in the folder of a Hydra run its settings, every interpolation replaced by its value, and their origins.

    The first rank does.
    """
    if HydraConfig.initialized() and not rank():
        job = HydraConfig.get()
        keep_record(Path(job.runtime.output_dir), job.job.name, raw)
