"""Attention with dropout on the CPU, where torch has no fused kernel for it.

Scores are computed for a block of queries at a time, forgotten, and computed again in the backward pass (as in
FlashAttention, arXiv:2205.14135); which of them are dropped follows from a seed, so that this can be repeated, too.

Axes: H heads, S positions, D head width, B queries of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

BLOCK = 128
STEPS = 256
"""Chances of dropout are multiples of 1 / STEPS: one random byte decides on a score."""


def dropped_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float, causal: bool) -> Tensor:
    """Each [H, S, D] -> [H, S, D]; what is dropped follows from torch's global generator."""
    chance = max(1, round(dropout * STEPS))
    out: Tensor = _DroppedAttention.apply(q, k, v, chance, causal)  # type: ignore[no-untyped-call]
    return out


class _DroppedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, chance: int, causal: bool) -> Tensor:
        seed = int(torch.randint(2**62, ()))
        out = torch.empty_like(v)
        for rows, keys, probabilities, dropped in _blocks(q, k, chance, causal, seed):
            torch.bmm(probabilities.masked_fill_(dropped, 0).to(v.dtype), v[:, :keys], out=out[:, rows])
        out *= STEPS / (STEPS - chance)
        ctx.save_for_backward(q, k, v, out)
        ctx.chance, ctx.causal, ctx.seed = chance, causal, seed
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out = ctx.saved_tensors
        to_q, to_k, to_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        means = (gradient * out).sum(-1, keepdim=True, dtype=torch.float32)
        gradient = gradient * (STEPS / (STEPS - ctx.chance))
        for rows, keys, probabilities, dropped in _blocks(q, k, ctx.chance, ctx.causal, ctx.seed):
            to_scores = (gradient[:, rows] @ v[:, :keys].transpose(1, 2)).float().masked_fill_(dropped, 0)
            to_scores = to_scores.sub_(means[:, rows]).mul_(probabilities).to(q.dtype)
            to_q[:, rows] = to_scores @ k[:, :keys]
            to_k[:, :keys] += to_scores.transpose(1, 2) @ q[:, rows]
            used = probabilities.masked_fill_(dropped, 0).to(v.dtype)
            to_v[:, :keys] += used.transpose(1, 2) @ gradient[:, rows]
        scale = q.shape[-1] ** -0.5
        return to_q.mul_(scale), to_k.mul_(scale), to_v, None, None


def _blocks(q: Tensor, k: Tensor, chance: int, causal: bool, seed: int) -> Iterator[tuple[slice, int, Tensor, Tensor]]:
    """Queries, how many keys they see, and of [H, B, keys] the softmax in float32 and what is dropped of it."""
    generator = Generator().manual_seed(seed)
    length, scale = q.shape[1], q.shape[-1] ** -0.5
    for start in range(0, length, BLOCK):
        rows = slice(start, min(start + BLOCK, length))
        keys = rows.stop if causal else length
        scores = (q[:, rows] * scale @ k[:, :keys].transpose(1, 2)).float()
        if causal:
            later = torch.ones(rows.stop - start, keys - start, dtype=torch.bool).triu_(1)
            scores[:, :, start:].masked_fill_(later, -torch.inf)
        yield rows, keys, torch.softmax(scores, -1), _bytes(scores.shape, generator) < chance


def _bytes(shape: torch.Size, generator: Generator) -> Tensor:
    """Random bytes, eight for each number that torch draws."""
    count = shape.numel()
    words = torch.randint(-(2**63), 2**63 - 1, (-(-count // 8),), generator=generator)
    return words.view(torch.uint8)[:count].view(shape)
