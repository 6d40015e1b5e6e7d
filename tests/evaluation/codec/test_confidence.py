"""Means and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from vall_e.evaluation.codec.confidence import mean_of
from vall_e.evaluation.codec.metrics.metric import Score


def test_errors_count_by_words() -> None:
    found = mean_of([Score(100, 1), Score(0, 3), None], seed=0)
    assert found is not None
    assert found.mean == pytest.approx(25)
    assert found.utterances == 2


def test_equal_values_leave_no_doubt() -> None:
    found = mean_of([Score(2.0)] * 5, seed=0)
    assert found is not None
    assert (found.low, found.mean, found.high) == (2, 2, 2)


def test_nothing_has_no_mean() -> None:
    assert mean_of([None, None], seed=0) is None


def test_the_interval_is_that_of_a_normal_distribution_and_the_same_again() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    scores = [Score(float(value)) for value in values]
    found = mean_of(scores, seed=3)
    assert found is not None
    assert found.half_width == pytest.approx(1.96 * values.std() / 20, rel=0.15)
    assert found.low < found.mean < found.high
    assert mean_of(scores, seed=3) == found
