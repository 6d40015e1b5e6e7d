"""An axis of a chart on a page: where numbers lie, and which are written beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..curves import Numbers

MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """Numbers from `low` to `high` lie from `start` to `end`, in units of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, numbers: Numbers) -> Numbers:
        """Where numbers lie: [points] -> [points]."""
        places: Numbers = self.start + (numbers - self.low) / (self.high - self.low) * (self.end - self.start)
        return places

    def ticks(self) -> list[tuple[float, str]]:
        """(place, text) of round numbers on the axis."""
        from matplotlib.ticker import MaxNLocator

        values = np.asarray(MaxNLocator(MOST_TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high))
        inside = values[(values >= self.low) & (values <= self.high)]
        return [(float(place), f"{value:,.6g}") for place, value in zip(self.at(inside), inside, strict=True)]


def axis(numbers: Iterable[Numbers], start: float, end: float, margin: float) -> Axis:
    """An axis that holds all numbers, with a `margin` beyond them as a share of their span."""
    found = list(numbers)
    low, high = min(float(part.min()) for part in found), max(float(part.max()) for part in found)
    beyond = (high - low) * margin or (abs(high) * 0.1 or 1.0 if low == high else 0.0)
    return Axis(low - beyond, high + beyond, start, end)
