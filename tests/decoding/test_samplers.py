"""Penalties, filters and draws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from vall_e.decoding.samplers import keep_top_k, keep_top_p, penalise_repetition, pick

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0])
logit_rows = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=30).map(torch.tensor)


def kept(logits: Tensor) -> list[int]:
    return logits.isfinite().nonzero().flatten().tolist()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_used_ids_become_less_likely_once_each() -> None:
    assert penalise_repetition(LOGITS, [0, 3, 3], 2.0, 0.0).tolist() == [1, 1, 0, -2, -2]


def test_the_penalty_fades_with_the_distance_of_the_last_use() -> None:
    """Decay 1: id 0 was used three ids ago, id 3 just now."""
    found = penalise_repetition(LOGITS, [0, 3, 3], 2.0, 1.0)
    assert found.tolist() == pytest.approx([1 / 3, 1, 0, -2, -2])
    fading = penalise_repetition(LOGITS, [0, 3, 3], 2.0, -0.5)
    assert fading.tolist() == pytest.approx([2 / (2 / 3**0.5), 1, 0, -2, -2])


def test_a_single_id_of_history_is_penalised() -> None:
    assert penalise_repetition(LOGITS, [0], 2.0, 0.0).tolist() == [1, 1, 0, -1, -2]


def test_no_penalty_and_no_history_change_nothing() -> None:
    assert penalise_repetition(LOGITS, [0, 3], 1.0, 0.0).equal(LOGITS)
    assert penalise_repetition(LOGITS, [], 2.0, 1.0).equal(LOGITS)


@given(logit_rows, st.lists(st.integers(0, 29), max_size=9), st.floats(1, 10), st.floats(-2, 2))
def test_a_penalty_rewards_nothing(logits: Tensor, history: list[int], penalty: float, decay: float) -> None:
    before = logits.clone()
    found = penalise_repetition(logits, [i % len(logits) for i in history], penalty, decay)
    assert (found <= before).all()
    assert logits.equal(before)


@pytest.mark.parametrize(("k", "ids"), [(1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])])
def test_top_k_keeps_the_likeliest(k: int, ids: list[int]) -> None:
    assert kept(keep_top_k(LOGITS, k)) == ids


def test_top_k_of_0_keeps_all() -> None:
    assert keep_top_k(LOGITS, 0).equal(LOGITS)


@pytest.mark.parametrize(("p", "ids"), [(0.6, [0]), (0.7, [0, 1]), (1e-6, [0]), (1.0, [0, 1, 2, 3, 4])])
def test_top_p_keeps_the_fewest_that_exceed_p(p: float, ids: list[int]) -> None:
    assert kept(keep_top_p(LOGITS, p)) == ids


def test_top_p_does_not_depend_on_the_order_of_ids() -> None:
    assert kept(keep_top_p(LOGITS[[3, 1, 4, 0, 2]], 0.7)) == [1, 3]


@given(logit_rows, st.floats(0.01, 0.99))
def test_top_p_keeps_enough_and_nothing_to_spare(logits: Tensor, p: float) -> None:
    probability = logits.double().softmax(-1)
    chosen = probability[kept(keep_top_p(logits.double(), p))]
    assert chosen.sum() > p - 1e-9
    assert chosen.sum() - chosen.min() <= p + 1e-9


@given(logit_rows, st.integers(1, 30))
def test_top_k_rules_out_none_that_is_likelier_than_one_it_keeps(logits: Tensor, k: int) -> None:
    found = keep_top_k(logits, k)
    out = found.isinf()
    assert int((~out).sum()) >= min(k, len(logits))
    if out.any():
        assert logits[out].max() < logits[~out].min()


def test_temperature_0_takes_the_likeliest() -> None:
    rows = torch.stack([LOGITS, LOGITS.flip(0)])
    assert pick(rows, 0.0, 0, 1.0, seeded()).tolist() == [0, 4]


def test_a_seed_draws_the_same_again() -> None:
    rows = torch.zeros(50, 100)
    assert pick(rows, 1.0, 0, 1.0, seeded(3)).equal(pick(rows, 1.0, 0, 1.0, seeded(3)))
    assert not pick(rows, 1.0, 0, 1.0, seeded(3)).equal(pick(rows, 1.0, 0, 1.0, seeded(4)))


def test_draws_follow_the_probabilities() -> None:
    drawn = pick(LOGITS.expand(20_000, 5), 1.0, 0, 1.0, seeded())
    shares = torch.bincount(drawn, minlength=5) / 20_000
    torch.testing.assert_close(shares, LOGITS.softmax(-1), atol=0.015, rtol=0)


def test_temperature_flattens_and_sharpens() -> None:
    rows = LOGITS.expand(5_000, 5)
    shares = [float((pick(rows, t, 0, 1.0, seeded()) == 0).float().mean()) for t in (0.3, 1.0, 3.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9


def test_draws_stay_within_the_filters() -> None:
    rows = LOGITS.expand(500, 5)
    assert set(pick(rows, 5.0, 2, 1.0, seeded()).tolist()) == {0, 1}
    assert set(pick(rows, 5.0, 0, 0.6, seeded()).tolist()) == {0}


def test_half_precision_logits_can_be_drawn_from() -> None:
    assert int(pick(LOGITS[None].half(), 1.0, 1, 0.9, seeded())) == 0
