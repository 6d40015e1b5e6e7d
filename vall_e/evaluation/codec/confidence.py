"""Means, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics.metric import Score

RESAMPLES = 1000


@dataclass(frozen=True)
class Mean:
    """A weighted mean over `utterances`, and its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    utterances: int

    @property
    def half_width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2


def mean_of(scores: Sequence[Score | None], seed: int) -> Mean | None:
    """The mean of what has a score, None if nothing has; the interval is the percentile bootstrap over utterances."""
    known = [score for score in scores if score is not None]
    if not known:
        return None
    values, weights = np.array(known, dtype=np.float64).T
    drawn = np.random.default_rng(seed).integers(len(known), size=(RESAMPLES, len(known)))
    resampled = (values * weights)[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Mean(float(np.average(values, weights=weights)), float(low), float(high), len(known))
