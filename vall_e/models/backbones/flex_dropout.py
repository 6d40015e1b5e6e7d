"""Which scores FlexAttention drops: a hash of seed, query and key, so that the backward pass drops the same.

Axes: H heads, S positions, D head width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 2**16
"""Chances of dropout are multiples of 1 / STEPS."""


def chance_of(dropout: float) -> int:
    """The chance in steps, at least one."""
    return max(1, round(dropout * STEPS))


def dropping(q: Tensor, chance: int) -> Callable[..., Tensor]:
    """Scores of dropped keys become -inf, before the softmax; follows from torch's generator of the device of q.

    q: [1, H, S, D], read for its heads and device.
    """
    seeds = torch.randint(2**31 - 1, (q.shape[1],), dtype=torch.int32, device=q.device)
    # A tensor, as a number would have the kernel compiled again for each chance.
    chances = torch.full_like(seeds, chance)

    def modified(score: Tensor, _batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        random = mixed(mixed(seeds[head] ^ query) ^ key) & (STEPS - 1)
        # Added, as a sum keeps nothing for its gradient, for which layers that run again would have to be asked.
        return score + torch.where(random < chances[head], -torch.inf, 0.0).to(score.dtype)

    return modified


def mixed(x: Tensor) -> Tensor:
    """A hash of int32 x, each bit of which turns about half of those of the hash (lowbias32 of hash-prospector)."""
    x = (x ^ _shifted(x, 16)) * 0x7FEB352D
    x = (x ^ _shifted(x, 15)) * (0x846CA68B - 2**32)
    return x ^ _shifted(x, 16)


def _shifted(x: Tensor, by: int) -> Tensor:
    """Right, filled with zeros, as of an unsigned number."""
    moved: Tensor = (x >> by) & (2 ** (32 - by) - 1)
    return moved
