"""Golden values of the learning-rate schedules."""

from __future__ import annotations

from typing import Any

import pytest

from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.optim.schedules import learning_rate_factor


def factors(iterations: int = 8, **settings: Any) -> list[float]:
    cfg = HyperparametersConfig(warmup_steps=4, **settings)
    return [learning_rate_factor(step, cfg, iterations) for step in range(10)]


@pytest.mark.parametrize("scheduler", ["", "WarmupLR", "warmuplr"])
def test_the_rate_rises_and_stays(scheduler: str) -> None:
    assert factors(scheduler=scheduler) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]


def test_the_rate_rises_and_falls_linearly() -> None:
    assert factors(scheduler="WarmupDecayLR") == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0, 0]


def test_the_rate_falls_as_a_cosine() -> None:
    expected = [0.25, 0.5, 0.75, 1, 1, 0.853553, 0.5, 0.146447, 0, 0]
    assert factors(scheduler="WarmupCosineLR") == pytest.approx(expected, abs=1e-6)


def test_the_cosine_ends_where_it_is_told() -> None:
    found = factors(scheduler="WarmupCosineLR", scheduler_params={"total_num_steps": 6, "cos_min_ratio": 0.2})
    assert found == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.6, 0.2, 0.2, 0.2, 0.2])


def test_without_a_warm_up_the_first_step_has_the_whole_rate() -> None:
    cfg = HyperparametersConfig(scheduler="WarmupDecayLR")
    assert [learning_rate_factor(step, cfg, 4) for step in range(5)] == [1, 0.75, 0.5, 0.25, 0]


def test_a_warm_up_longer_than_the_run_only_rises() -> None:
    cfg = HyperparametersConfig(warmup_steps=10, scheduler="WarmupCosineLR")
    assert [learning_rate_factor(step, cfg, 4) for step in range(4)] == [0.1, 0.2, 0.3, 0.4]
