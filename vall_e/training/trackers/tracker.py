"""What every recorder of a run's numbers can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Tracker(Protocol):
    """Records numbers of a run by step. A launch that resumes a run calls `truncate` before the first `log`."""

    name: str
    """What a user calls it."""

    def truncate(self, step: int) -> None:
        """Forget, as far as it can, what was logged after `step`: the run goes on there and will log it again."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record the values of a step; several calls a step add up. A value may be nan or infinite."""

    def close(self) -> None:
        """Write out what is pending; nothing can be logged afterwards."""
