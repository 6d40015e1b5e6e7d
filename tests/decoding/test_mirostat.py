"""Draws of a wanted surprise."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.reply import Reply
from vall_e.decoding.sampling.dice import seeded
from vall_e.decoding.sampling.mirostat import Mirostat, ranks_kept, zipf_exponent


def zipf(exponent: float, ids: int = 1024) -> Tensor:
    """float64 [ids]."""
    weights = torch.arange(1, ids + 1, dtype=torch.float64) ** -exponent
    return weights / weights.sum()


@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0, 2.5])
@pytest.mark.parametrize("ids", [2, 50, 1024])
def test_the_exponent_of_a_law_is_found(exponent: float, ids: int) -> None:
    assert zipf_exponent(zipf(exponent, ids)) == pytest.approx(exponent)


def test_the_exponent_is_the_published_sum() -> None:
    p = torch.tensor([0.5, 0.25, 0.2, 0.05])
    steps = [math.log(2 / 1), math.log(3 / 2), math.log(4 / 3)]
    ratios = [math.log(0.5 / 0.25), math.log(0.25 / 0.2), math.log(0.2 / 0.05)]
    wanted = sum(r * s for r, s in zip(ratios, steps, strict=True)) / sum(s * s for s in steps)
    assert zipf_exponent(p) == pytest.approx(wanted)
    assert zipf_exponent(torch.cat([p, torch.zeros(3)])) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("exponent", "largest", "kept"),
    [
        (1.3, 6.0, 12),  # 1024^-0.3 = 1/8: (0.3 * 64 / (7/8))^(1/1.3) = 10.75
        (2.0, 4.0, 5),  # (16 / (1 - 1/1024))^(1/2) = 4.002
        (1.0, 4.0, 3),  # the limit of e to 0: 16 / ln 1024 = 2.31
        (0.5, 4.0, 1),  # (-0.5 * 16 / (1 - 32))^2 = 0.0666
        (0.5, 9.0, 69),  # (-0.5 * 512 / (1 - 32))^2 = 68.2
        (1.3, 30.0, 1025),
        (0.0, 9.0, 1),
        (0.0, 11.0, 1025),
        (math.inf, 9.0, 1),
        (1.3, -50.0, 1),
    ],
)
def test_the_ranks_kept_are_those_of_the_formula(exponent: float, largest: float, kept: int) -> None:
    assert ranks_kept(exponent, largest, 1024, 1025) == kept


@given(st.floats(0, 200), st.floats(-1e4, 1e4), st.integers(1, 2000))
def test_there_is_always_a_rank_to_draw_from(exponent: float, largest: float, ids: int) -> None:
    assert 1 <= ranks_kept(exponent, largest, 1024, ids) <= ids


def said(logits: Tensor, tau: float, eta: float = 0.1, steps: int = 2000) -> list[int]:
    """What is drawn from the same logits again and again."""
    sampler = Mirostat(SamplingConfig(mirostat_tau=tau, mirostat_eta=eta), 1024, seeded(3, 1))
    reply = Reply(0, 1024, 9999)
    for _ in range(steps):
        reply.ids += sampler(logits[None], [reply])
    return reply.ids


@pytest.mark.parametrize("tau", [3.0, 4.0, 5.0])
def test_the_mean_surprise_approaches_the_target(tau: float) -> None:
    """The predictions by themselves have a surprise of 6.8 bits, and the likeliest id one of 2.5."""
    probabilities = zipf(1.1)[torch.randperm(1024, generator=torch.Generator().manual_seed(0))]
    assert float(-(probabilities * probabilities.log2()).sum()) == pytest.approx(6.8, abs=0.1)
    ids = said(probabilities.log().float(), tau)
    assert float(-probabilities[ids[500:]].log2().mean()) == pytest.approx(tau, abs=0.1)


def test_the_largest_surprise_starts_at_twice_the_target_and_follows_the_error() -> None:
    sampler = Mirostat(SamplingConfig(mirostat_tau=3.0, mirostat_eta=0.25), 1024, seeded(0, 2))
    probabilities = zipf(1.3)
    kept = ranks_kept(1.3, 6.0, 1024, 1024)
    (id,) = sampler(probabilities.log()[None].float(), [Reply(1, 1024, 9999)])
    assert id < kept
    surprise = -math.log2(float(probabilities[id]))
    assert sampler.largest == {1: pytest.approx(6.0 - 0.25 * (surprise - 3.0), abs=1e-4)}


def test_replies_have_each_a_state_of_their_own() -> None:
    """The predictions of the second are flat, so that it is always surprised by more than it wants."""
    settings, rows = SamplingConfig(mirostat_tau=2.0, mirostat_eta=0.5), [zipf(1.1, 1025).log(), torch.zeros(1025)]
    together, replies = Mirostat(settings, 1024, seeded(0, 2)), [Reply(0, 1024, 9999), Reply(1, 1024, 9999)]
    alone, single = [Mirostat(settings, 1024, seeded(0, 2)) for _ in rows], [Reply(0, 1024, 9999), Reply(1, 1024, 9999)]
    for _ in range(30):
        for reply, id in zip(replies, together(torch.stack(rows), replies), strict=True):
            reply.ids.append(id)
        for sampler, logits, reply in zip(alone, rows, single, strict=True):
            reply.ids += sampler(logits[None], [reply])
    assert replies == single
    assert together.largest == alone[0].largest | alone[1].largest
    assert together.largest[0] != together.largest[1]


def test_filters_hold_before() -> None:
    sampler = Mirostat(SamplingConfig(mirostat_tau=9.0, mirostat_eta=0.1, top_k=3), 1024, seeded(0, 1))
    replies = [Reply(0, 1024, 9999, list(range(n))) for n in range(40)]
    drawn = [sampler(torch.arange(20.0)[None] / 10, [reply])[0] for reply in replies]
    assert set(drawn) == {17, 18, 19}


def test_a_sure_prediction_is_said() -> None:
    logits = torch.full((1025,), -torch.inf)
    logits[7] = 0.0
    assert set(said(logits, 3.0, steps=5)) == {7}
