"""Follows the jobs of a sweep through Hydra's callbacks and ranks them when it ends.

Hydra calls `on_multirun_end` only when no job failed. So `launch` runs an app inside `ranking`, which ends a sweep
however it came to its end.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from vall_e.config.explain import explain
from vall_e.config.fault import is_users
from vall_e.config.rank import rank
from vall_e.config.resolvers import register_resolvers
from vall_e.errors import SweepError
from vall_e.sweeping.finish import finish
from vall_e.sweeping.job_result import JobResult, Status, write_result
from vall_e.sweeping.leaderboard import Leaderboard
from vall_e.sweeping.sweep import Sweep

RUNNING: ContextVar[Sweep | None] = ContextVar("RUNNING", default=None)


@contextmanager
def ranking() -> Iterator[None]:
    """Ranks the jobs of a sweep that runs inside the block; SweepError if any failed."""
    cause: Exception | None = None
    try:
        yield
    except Exception as error:
        cause = error
    finally:
        sweep = RUNNING.get()
        RUNNING.set(None)
        board = finish(sweep) if sweep else None
    if board is not None and board.count(Status.failed) and not board.count(Status.unfinished):
        raise SweepError(complaint(board)) from cause
    if cause is not None:
        raise cause


def complaint(board: Leaderboard) -> str:
    """How many jobs failed and where their errors are."""
    failed, path = board.count(Status.failed), board.sweep.folder / "leaderboard.csv"
    return f"{failed} of {len(board.jobs)} jobs failed: their errors are in {path} and in the log above"


class LeaderboardCallback(Callback):
    """Keeps what became of each job in the folder of the job, in whichever process it runs.

    `objective` says in words what the jobs return.
    """

    def __init__(self, objective: str = "objective") -> None:
        self.objective = objective
        self.sweep: Sweep | None = None
        self.job: JobResult | None = None
        self.began = 0.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Comes first in a process that a launcher starts for a job, where interpolations are not known yet."""
        register_resolvers()
        self.__dict__.update(state)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep begins: give it a name that its jobs share."""
        direction = OmegaConf.select(config, "hydra.sweeper.direction")  # Optuna's
        self.sweep = Sweep(
            id=uuid.uuid4().hex,
            folder=Path(config.hydra.sweep.dir).absolute(),
            objective=self.objective,
            maximize=getattr(direction, "name", direction) == "maximize",
        )
        RUNNING.set(self.sweep)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note that a job has begun: should its process be killed, it is not forgotten. Of its ranks the first does."""
        if self.sweep is None or rank():
            return
        self.began = time.monotonic()
        self.job = JobResult(
            sweep=self.sweep.id,
            number=config.hydra.job.num,
            folder=os.path.relpath(config.hydra.runtime.output_dir, self.sweep.folder),
            overrides=list(config.hydra.overrides.task),
        )
        write_result(self.sweep, self.job)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Note how a job ended."""
        if self.sweep is None or self.job is None:
            return
        ended = replace(self.job, seconds=round(time.monotonic() - self.began, 3))
        write_result(self.sweep, outcome(ended, job_return))


def outcome(job: JobResult, job_return: JobReturn) -> JobResult:
    """A job with its status, and its objective or error."""
    try:
        value = job_return.return_value
    except Exception as error:
        told = explain(error) if is_users(error) else f"{type(error).__name__}: {error}"
        return replace(job, status=Status.failed, error="; ".join(told.splitlines()))
    return replace(job, status=Status.finished, objective=None if value is None else float(value))
