"""How far a run has come, on the terminal."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from .training_run import TrainingRun

Bar = Any
"""tqdm comes without types."""


def progress_bar(run: TrainingRun, name: str, refresh_seconds: float) -> Bar:
    """A bar over optimizer steps that starts where the run is, on its first rank."""
    return tqdm(
        total=run.last_step,
        initial=run.engine.global_step,
        desc=name,
        unit="step",
        dynamic_ncols=True,
        mininterval=refresh_seconds,
        disable=not run.ranks.first,
    )
