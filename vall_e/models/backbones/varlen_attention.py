"""Attention to all sequences of a packed batch by kernels for variable lengths: one call, or two if some are causal.

Axes: S packed positions, H heads, K heads of keys and values, D head width, N sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor

from .attention import PackedAttention, check_device, shared


@dataclass(frozen=True)
class Group:
    """Sequences that are all causal, or none.

    positions: int64 [S of the group], where they lie in the batch. starts: int32 [N + 1], of each among these
    positions, and the end. longest: positions of the longest.
    """

    causal: bool
    positions: Tensor
    starts: Tensor
    longest: int


Kernel = Callable[[Tensor, Tensor, Tensor, Group, float], Tensor]
"""q [S, H, D], k and v [S, K, D] of a group, and the chance of dropout -> [S, H, D]."""


class VarlenAttention:
    """Every sequence attends to itself alone, causally or in full.

    These kernels compute in 16 bits. What is in 32, as evaluations may be, is attended to sequence by sequence.
    """

    def __init__(
        self, name: str, kernel: Kernel, lengths: Sequence[int], causal: Sequence[bool], dropout: float = 0.0
    ) -> None:
        self.name, self.kernel = name, kernel
        self.lengths, self.causal, self.dropout = list(lengths), list(causal), dropout
        self.one_by_one = PackedAttention(lengths, causal, dropout)
        self.groups: dict[torch.device, list[Group]] = {}

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [S, H, D], k and v [S, K, D] -> [S, H, D]."""
        check_device(self.name, q.device)
        if q.dtype not in (torch.float16, torch.bfloat16):
            return self.one_by_one(layer, q, k, v)
        return self.attend(q, k, v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """As `__call__`, always by the kernel."""
        groups = self._groups(q.device)
        if len(groups) == 1:
            return self.kernel(q, k, v, groups[0], self.dropout)
        parts = [self.kernel(q[g.positions], k[g.positions], v[g.positions], g, self.dropout) for g in groups]
        back = torch.cat([group.positions for group in groups]).argsort()
        return torch.cat(parts)[back]

    def _groups(self, device: torch.device) -> list[Group]:
        """For all layers that lie on `device`."""
        if device not in self.groups:
            flags = sorted(set(self.causal))
            self.groups[device] = [group_of(flag, self.lengths, self.causal, device) for flag in flags]
        return self.groups[device]


def group_of(flag: bool, lengths: Sequence[int], causal: Sequence[bool], device: torch.device) -> Group:
    """The sequences whose entry in `causal` is `flag`."""
    chosen = torch.repeat_interleave(torch.tensor(causal), torch.tensor(lengths)) == flag
    own = [length for length, is_causal in zip(lengths, causal, strict=True) if is_causal == flag]
    starts = torch.tensor([0, *accumulate(own)], dtype=torch.int32)
    return Group(flag, chosen.nonzero().flatten().to(device), starts.to(device), max(own))


def torch_kernel(q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: float) -> Tensor:
    """That of torch, which has no dropout: `dropout` is 0."""
    from torch.nn.attention.varlen import varlen_attn

    k, v = (shared(x, q.shape[1], 1) for x in (k, v))
    lengths = (group.starts, group.starts, group.longest, group.longest)
    return cast(Tensor, varlen_attn(q, k, v, *lengths, window_size=(-1, 0 if group.causal else -1)))


def flash_attn_kernel(q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: float) -> Tensor:
    """That of the package flash-attn (arXiv:2307.08691)."""
    from flash_attn import flash_attn_varlen_func

    lengths = (group.starts, group.starts, group.longest, group.longest)
    out: Tensor = flash_attn_varlen_func(q, k, v, *lengths, dropout_p=dropout, causal=group.causal)
    return out
