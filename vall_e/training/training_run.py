"""What all runs have in common, whatever they train."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from vall_e.engines.background_writer import BackgroundWriter
from vall_e.engines.checkpoint import find_checkpoint
from vall_e.engines.ranks import Ranks
from vall_e.errors import CheckpointError

from .metrics_log import MetricsLog
from .trackers.json_lines import read_metrics


class Driven(Protocol):
    """What makes the steps of a run."""

    device: torch.device
    global_step: int

    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the peak learning rate from the next step on."""


@dataclass(kw_only=True)
class TrainingRun(ABC):
    """A training in its folder, on one of its ranks.

    Methods are to be called by all ranks; the first alone writes.
    """

    folder: Path
    ranks: Ranks
    engine: Driven
    metrics: MetricsLog | None
    """On the first rank."""
    writer: BackgroundWriter = field(default_factory=BackgroundWriter)
    started: float = field(default_factory=time.time)
    """Unix time of the launch."""
    first_step: int = 0
    """Steps made before this launch."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is trained, and of how many parameters."""

    @property
    @abstractmethod
    def last_step(self) -> int:
        """Steps after which it ends."""

    @abstractmethod
    def resume(self) -> None:
        """Go on from the newest whole checkpoint, or begin with weights that are given, or from nothing."""

    @abstractmethod
    def save(self) -> None:
        """Write a checkpoint in the background."""

    @abstractmethod
    def export(self) -> None:
        """Write what is used without the run, in the background."""

    @abstractmethod
    def evaluate(self) -> None:
        """Measure what has been learnt."""

    def log(self, values: Mapping[str, float]) -> None:
        """Keep numbers of the step that has just been made."""
        if self.metrics is not None:
            self.metrics.log(self.engine.global_step, values)

    def newest_checkpoint(self, root: Path, tag: str | None = None) -> Path | None:
        """`find_checkpoint` of the first rank, whose word all take, its CheckpointError too."""
        found: Path | None = None
        problem: CheckpointError | None = None
        if self.ranks.first:
            try:
                found = find_checkpoint(root, tag)
            except CheckpointError as error:
                problem = error
        found, problem = self.ranks.share((found, problem))
        if problem is not None:
            raise problem
        return found

    def seconds_per_step(self) -> float:
        """Mean wall time of a step since the launch, evaluations and saves included."""
        return (time.time() - self.started) / max(1, self.engine.global_step - self.first_step)

    def remaining_seconds(self, last: int) -> float:
        """Until step `last`, if the rest goes as this launch went so far, evaluations and saves included."""
        return max(0, last - self.engine.global_step) * self.seconds_per_step()

    def mean_loss(self) -> float:
        """Mean of the last 100 steps' losses, those of earlier launches included."""
        return self.ranks.share(_mean_loss(self.metrics.path) if self.metrics is not None else math.nan)

    def close(self) -> None:
        """End what is being written, and the logs."""
        self.writer.close()
        if self.metrics is not None:
            self.metrics.close()


R = TypeVar("R", bound=TrainingRun)


def resumed(run: R) -> R:
    """The run, gone on with what its folder holds; it is closed if that cannot be."""
    try:
        run.resume()
    except BaseException:
        run.close()
        raise
    return run


def _mean_loss(metrics: Path) -> float:
    losses = deque((row["loss"] for row in read_metrics(metrics) if "loss" in row), maxlen=100)
    return sum(float("nan") if loss is None else loss for loss in losses) / max(1, len(losses))
