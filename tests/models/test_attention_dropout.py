"""Dropout in attention on the CPU does what torch's own does, in less time and memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from vall_e.models.backbones.attention import PackedAttention
from vall_e.models.backbones.attention_dropout import STEPS, dropped_attention

HEADS, WIDTH = 2, 8
LENGTHS = (1, 127, 128, 130, 300)
"""Of sequences that are shorter, as long, and longer than a block."""


def drawn(length: int, width: int = WIDTH) -> Tensor:
    return torch.randn(HEADS, length, width, requires_grad=True)


def survivors(q: Tensor, k: Tensor, causal: bool, seed: int) -> Tensor:
    """Softmax after dropout [H, S, S]: what comes out for values that are the unit vectors."""
    torch.manual_seed(seed)
    unit = torch.eye(q.shape[1]).expand(HEADS, -1, -1)
    return dropped_attention(q, k, unit, 0.25, causal)


def softmax(q: Tensor, k: Tensor, causal: bool) -> Tensor:
    scores = q @ k.transpose(1, 2) * WIDTH**-0.5
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    return scores.softmax(-1)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_quarter_is_dropped_and_the_rest_raised(length: int, causal: bool) -> None:
    torch.manual_seed(0)
    q, k = drawn(length), drawn(length)
    left, whole = survivors(q, k, causal, 1), softmax(q, k, causal)
    kept = left > 0
    torch.testing.assert_close(left[kept], (whole / 0.75)[kept])
    if length > 1:
        assert kept.sum() / (whole > 0).sum() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_output_and_gradients_are_those_of_the_formula(length: int, causal: bool) -> None:
    torch.manual_seed(0)
    q, k, v = drawn(length), drawn(length), drawn(length)
    factors = (survivors(q, k, causal, 1) > 0) / 0.75
    torch.manual_seed(1)
    found, expected = dropped_attention(q, k, v, 0.25, causal), softmax(q, k, causal) * factors @ v
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    towards = torch.randn_like(found)
    for ours, theirs in zip(*(torch.autograd.grad(o, (q, k, v), towards) for o in (found, expected)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_small_chance_is_not_rounded_away() -> None:
    q, k, v = drawn(64), drawn(64), torch.ones(HEADS, 64, 1)
    out = dropped_attention(q, k, v, 1e-6, causal=False)
    assert float(out.detach().max()) == pytest.approx(STEPS / (STEPS - 1), rel=1e-4)


def test_mixed_precision_is_that_of_its_input() -> None:
    q, k, v = (drawn(40).bfloat16() for _ in range(3))
    found = dropped_attention(q, k, v, 1e-6, causal=True)
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found, scaled_dot_product_attention(q, k, v, is_causal=True), atol=0.1, rtol=0.1)


def test_packed_sequences_drop_in_training_alone() -> None:
    q, k, v = (torch.randn(50, HEADS, WIDTH) for _ in range(3))
    plain, dropping = PackedAttention([20, 30], [True, False]), PackedAttention([20, 30], [True, False], dropout=0.5)
    assert not torch.equal(dropping(0, q, k, v), dropping(0, q, k, v))
    mean = torch.stack([dropping(0, q, k, v) for _ in range(2000)]).mean(0)
    torch.testing.assert_close(mean, plain(0, q, k, v), atol=0.15, rtol=0)
