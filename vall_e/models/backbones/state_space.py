"""The state-space model of Mamba-2 with a scalar decay in each head (arXiv:2405.21060).

s_t = a_t s_{t-1} + x_t b_t^T and y_t = s_t c_t, where a_t is the exponential of a step's decay.

Axes: N positions of a sequence, B rows, H heads, P width of a head, D width of the state.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 128
"""Positions that are computed at once; the state goes from chunk to chunk."""


def scan(x: Tensor, decay: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """All positions of a sequence: x [N, H, P], decay [N, H], b and c [N, D] -> y [N, H, P], the last state [H, P, D].

    decay: logarithms of a_t, at most 0.
    """
    state = x.new_zeros(*x.shape[1:], b.shape[-1])
    found = []
    for start in range(0, len(x), CHUNK):
        here = slice(start, start + CHUNK)
        y, state = scan_chunk(x[here], decay[here], b[here], c[here], state)
        found.append(y)
    return torch.cat(found), state


def scan_chunk(x: Tensor, decay: Tensor, b: Tensor, c: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """`scan` of a few positions at once, from a state on: within the chunk as products of all pairs (section 6)."""
    total = decay.cumsum(0).T
    later = torch.ones(len(x), len(x), dtype=torch.bool, device=x.device).triu(1)
    fading = (total[:, :, None] - total[:, None]).masked_fill(later, -torch.inf).exp()
    y = torch.einsum("hnm,mhp->nhp", fading * (c @ b.T), x)
    y = y + total.exp().T[..., None] * torch.einsum("nd,hpd->nhp", c, state)
    left = (total[:, -1:] - total).exp().T[..., None]
    state = total[:, -1, None, None].exp() * state + torch.einsum("mhp,md->hpd", left * x, b)
    return y, state


def step(x: Tensor, decay: Tensor, b: Tensor, c: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One position of each row: x [B, H, P], decay [B, H], b and c [B, D], state [B, H, P, D] -> y [B, H, P], state."""
    state = decay.exp()[..., None, None] * state + x[..., None] * b[:, None, None]
    return torch.einsum("bhpd,bd->bhp", state, c), state
