"""Which frames training hides."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator

from tests.models.tiny import tiny_config
from vall_e.models.masking import draw_mask, hidden_share, masking_chance


def shares(ratio: float | str, seeds: int = 400, frames: int = 200) -> list[float]:
    return [float(draw_mask(frames, ratio, Generator().manual_seed(seed)).float().mean()) for seed in range(seeds)]


def test_time_hides_all_then_none() -> None:
    assert [hidden_share(time) for time in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5**0.5, 0.0])


def test_a_number_is_the_share_that_is_hidden() -> None:
    found = shares(0.8)
    assert sum(found) / len(found) == pytest.approx(0.8, abs=0.01)
    assert max(found) - min(found) < 0.25


def test_a_drawn_time_hides_any_share_and_a_middle_one_no_extreme() -> None:
    """The mean of cos(pi t / 2) over 0..1 is 2 / pi; at 0.2 it is 0.951, at 0.8 0.309."""
    random, middle = shares("random"), shares("rand")
    assert sum(random) / len(random) == pytest.approx(2 / torch.pi, abs=0.04)
    assert min(random) < 0.1 and max(random) > 0.97
    assert min(middle) > 0.2 and max(middle) < 0.99


@pytest.mark.parametrize("frames", [1, 5])
def test_something_is_always_hidden(frames: int) -> None:
    assert all(draw_mask(frames, 0.0, Generator().manual_seed(seed)).sum() == 1 for seed in range(20))


@pytest.mark.parametrize(
    ("capabilities", "flags", "chances"),
    [
        (["ar", "nar"], {"masking_train_p": 1.0}, [0, 0, 0]),
        (["ar", "nar", "len"], {"masking_train_p": 0.3}, [0.3, 0, 0]),
        (["ar", "nar", "len"], {"masking_train_p": 0.3, "masking_train_rvq_levels": [1, 7]}, [0, 0.3, 0.3]),
        (["nar", "len"], {}, [1, 0, 0]),
        (["nar", "len"], {"masking_train_p": 0.3, "masking_train_rvq_levels": [1, 1]}, [1, 0.3, 0]),
    ],
)
def test_masked_training_needs_len_and_replaces_what_ar_would_learn(
    capabilities: list[str], flags: dict[str, Any], chances: list[float]
) -> None:
    cfg = tiny_config(flags, capabilities=capabilities)
    assert [masking_chance(cfg, level) for level in range(3)] == chances
