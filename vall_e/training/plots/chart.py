"""What is drawn in a chart: a metric of several runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate

import numpy as np

from vall_e.config.nearest import hint
from vall_e.errors import ConfigError

from ..curves import Numbers, natural
from .run_curves import RunCurves

SPARSE = 50
"""Curves of at most as many points are drawn with marks and never smoothed: evaluations."""


@dataclass(frozen=True)
class Line:
    """A curve of the run with this place among the runs: x, values and smoothed values, float64 [points] each."""

    run: int
    label: str
    x: Numbers
    values: Numbers
    smooth: Numbers | None
    """None if it is not smoothed."""

    @property
    def sparse(self) -> bool:
        """Whether its points are marked."""
        return len(self.x) <= SPARSE

    @property
    def shown(self) -> Numbers:
        """What is drawn in full strength."""
        return self.values if self.smooth is None else self.smooth


@dataclass(frozen=True)
class Chart:
    """A metric and its line of each run that recorded it."""

    metric: str
    lines: list[Line]


def charts(runs: Sequence[RunCurves], patterns: Sequence[str], smoothing: float) -> list[Chart]:
    """A chart for each metric that a pattern fits, in the order of the patterns."""
    return [Chart(metric, list(_lines(runs, metric, smoothing))) for metric in chosen(runs, patterns)]


def chosen(runs: Sequence[RunCurves], patterns: Sequence[str]) -> list[str]:
    """Names of the metrics that the patterns fit; ConfigError for a name that no run recorded, or if there are none."""
    recorded = sorted({name for run in runs for name, (x, _) in run.curves.items() if len(x)}, key=natural)
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in recorded if fnmatchcase(name, pattern)]
        if not fitting and "*" not in pattern:
            raise ConfigError(
                f"metrics: no run recorded {pattern}, allowed: {', '.join(recorded)}{hint(pattern, recorded)}"
            )
        found |= dict.fromkeys(fitting)
    if not found:
        raise ConfigError(f"metrics: no run recorded any of {', '.join(patterns)}, allowed: {', '.join(recorded)}")
    return list(found)


def smoothed(values: Numbers, smoothing: float) -> Numbers:
    """Exponential mean s_t = a s_(t-1) + (1 - a) v_t without bias to 0 at its start: [points] -> [points].

    The bias is taken out by 1 - a^t, as in Adam (arXiv:1412.6980, section 3).
    """
    sums = np.fromiter(accumulate(values, lambda s, v: smoothing * s + (1 - smoothing) * v, initial=0.0), np.float64)
    weights = 1 - smoothing ** np.arange(1, len(values) + 1)
    means: Numbers = sums[1:] / weights
    return means


def _lines(runs: Sequence[RunCurves], metric: str, smoothing: float) -> Iterator[Line]:
    for place, run in enumerate(runs):
        x, values = run.curves.get(metric, (np.empty(0), np.empty(0)))
        if len(x):
            smooth = smoothed(values, smoothing) if smoothing and len(x) > SPARSE else None
            yield Line(place, run.label, x, values, smooth)
