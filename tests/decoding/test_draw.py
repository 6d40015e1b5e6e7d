"""Penalties, filters and draws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vall_e.decoding.sampling.dice import Dice
from vall_e.decoding.sampling.draw import Draw, heat, keep_min_p, keep_top_k, keep_top_no, keep_top_p, pick
from vall_e.decoding.sampling.penalties import common_ending, penalise_length, penalise_repetition, penalise_runs

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0])
logit_rows = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=30).map(torch.tensor)


def kept(logits: Tensor) -> list[int]:
    return logits.isfinite().nonzero().flatten().tolist()


def thrown(count: int = 1, seed: int = 0) -> Tensor:
    return Dice(seed).throw((0,), count)


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
    assert pick(rows, Draw(temperature=0.0), thrown(2)).tolist() == [0, 4]


def test_a_seed_draws_the_same_again() -> None:
    rows = torch.zeros(50, 100)
    assert pick(rows, Draw(temperature=1.0), thrown(50, 3)).equal(pick(rows, Draw(temperature=1.0), thrown(50, 3)))
    assert not pick(rows, Draw(temperature=1.0), thrown(50, 3)).equal(pick(rows, Draw(temperature=1.0), thrown(50, 4)))


def test_draws_follow_the_probabilities() -> None:
    drawn = pick(LOGITS.expand(20_000, 5), Draw(temperature=1.0), thrown(20_000))
    shares = torch.bincount(drawn, minlength=5) / 20_000
    torch.testing.assert_close(shares, LOGITS.softmax(-1), atol=0.015, rtol=0)


def test_temperature_flattens_and_sharpens() -> None:
    rows = LOGITS.expand(5_000, 5)
    shares = [float((pick(rows, Draw(temperature=t), thrown(5_000)) == 0).float().mean()) for t in (0.3, 1.0, 3.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9


def test_draws_stay_within_the_filters() -> None:
    rows = LOGITS.expand(500, 5)
    assert set(pick(rows, Draw(temperature=5.0, top_k=2), thrown(500)).tolist()) == {0, 1}
    assert set(pick(rows, Draw(temperature=5.0, top_p=0.6), thrown(500)).tolist()) == {0}


def test_half_precision_logits_can_be_drawn_from() -> None:
    assert int(pick(LOGITS[None].half(), Draw(temperature=1.0, top_k=1, top_p=0.9), thrown())) == 0


def test_length_makes_stopping_harder_or_easier_whatever_the_sign() -> None:
    assert penalise_length(LOGITS, 4, 0, 0.5).tolist() == [1, 1, 0, -1, -2]
    assert penalise_length(LOGITS, 4, 0, -0.5).tolist() == [4, 1, 0, -1, -2]
    assert penalise_length(LOGITS, 4, 4, 0.5).tolist() == [2, 1, 0, -1, -4]
    assert penalise_length(LOGITS, 4, 0, 0.0).equal(LOGITS)


def test_an_id_that_would_go_on_with_a_run_is_penalised_by_its_length() -> None:
    """1 2 3 stood before 4, and 3 alone before 0; the runs end what was said."""
    said = [1, 2, 3, 4, 3, 0, 1, 2, 3]
    assert penalise_runs(LOGITS, said, 1.0, 2.0, 2).tolist() == [2, 1, 0, -1, -4]
    assert penalise_runs(LOGITS, said, 1.0, 2.0, 1).tolist() == [1, 1, 0, -1, -6]
    assert penalise_runs(LOGITS, said, 1.0, 2.0, 4).equal(LOGITS)
    assert penalise_runs(LOGITS, said, 0.0, 2.0, 1).equal(LOGITS)
    assert penalise_runs(LOGITS, [], 1.0, 2.0, 0).equal(LOGITS)


def slow_runs(said: list[int], token: int) -> int:
    """The longest ending of `said` that also stands before an earlier `token`."""
    places = [i for i, one in enumerate(said) if one == token]
    return max(
        (n for i in places for n in range(min(i, 50) + 1) if said[i - n : i] == said[len(said) - n :]), default=0
    )


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_runs_are_found_as_by_comparing_all(said: list[int]) -> None:
    found = penalise_runs(torch.zeros(3, dtype=torch.float64), said, 1.0, 1.5, 1)
    runs = [slow_runs(said, token) for token in range(3)]
    assert found.tolist() == pytest.approx([-(1.5 ** (n - 1)) if n >= 1 else 0.0 for n in runs])


def test_the_longest_run_that_counts_is_limited() -> None:
    assert common_ending([7] * 90, [7] * 99) == 50


def test_min_p_rules_out_the_improbable_but_keeps_the_32_likeliest() -> None:
    logits = torch.cat([torch.zeros(40), torch.full((10,), -5.0)])
    assert kept(keep_min_p(logits, 0.5)) == list(range(40))
    assert len(kept(keep_min_p(torch.arange(50.0), 0.5))) == 32
    assert keep_min_p(logits, 0.0).equal(logits) and keep_min_p(LOGITS, 0.9).equal(LOGITS)


def test_a_sure_prediction_is_drawn_at_the_lower_temperature() -> None:
    assert heat(LOGITS, 1.5, 0.1)[:3].tolist() == pytest.approx([5.1947, 2.5974, 0.0], abs=1e-4)
    assert heat(LOGITS, 0.5, -1.0).equal(LOGITS / 0.5)


def test_top_no_keeps_what_is_near_the_likeliest_by_the_spread_of_what_is_left() -> None:
    assert kept(keep_top_no(LOGITS, 1.0)) == [0, 1]
    assert kept(keep_top_no(LOGITS, 2.0)) == [0, 1, 2, 3]
    assert kept(keep_top_no(keep_top_k(LOGITS, 3), 1.0)) == [0, 1]
    assert kept(keep_top_no(keep_top_k(LOGITS, 1), 1.0)) == [0]
    assert keep_top_no(LOGITS, 0.0).equal(LOGITS)


@given(logit_rows, st.floats(0.1, 3), st.floats(-1, 3), st.floats(0, 1), st.integers(0, 40), st.floats(0.01, 1))
def test_every_combination_of_filters_leaves_something_to_draw(
    logits: Tensor, temperature: float, coldest: float, share: float, k: int, p: float
) -> None:
    draw = Draw(temperature=temperature, min_temperature=coldest, min_p=share, top_k=k, top_p=p, top_no=share)
    assert 0 <= int(pick(logits[None], draw, thrown())) < len(logits)
