"""A sweep: one app run several times with different settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What all jobs of a sweep share."""

    id: str
    """Tells its jobs from those that an earlier sweep left in the same folder."""
    folder: Path
    objective: str
    """What the jobs return, in words."""
    maximize: bool = False
    """Whether a higher objective is better."""

    @property
    def better(self) -> str:
        """`lower` or `higher`."""
        return "higher" if self.maximize else "lower"
