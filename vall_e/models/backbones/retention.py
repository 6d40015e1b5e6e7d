"""Retention: what is seen fades at a rate of its own in each head (RetNet, arXiv:2307.08621).

With g_h the decay of head h: D[n, m] = g^(n - m) for n >= m, each row divided by the root of its sum.

Axes: N positions of a sequence, B rows, H heads, D width of a key, V of a value.
"""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10_000.0
LARGEST = 5e4

Rotation = tuple[Tensor, Tensor]


def angles(width: int, device: torch.device | None = None) -> Tensor:
    """Angle between two neighbours of each dimension of a key, pairs alike: float32 [D]."""
    return (BASE ** -torch.linspace(0, 1, width // 2, device=device)).repeat_interleave(2)


def decays(heads: int, device: torch.device | None = None) -> Tensor:
    """ln(1 - 2^(-5 - h)): float32 [H]."""
    return torch.log1p(-(2.0 ** (-5 - torch.arange(heads, dtype=torch.float32, device=device))))


def rotation(places: Tensor, width: int) -> Rotation:
    """Cosines and sines [S, 1, D] of the rotation at each place, int64 [S]."""
    turned = places[:, None, None].float() * angles(width, places.device)
    return turned.cos(), turned.sin()


def rotate_pairs(x: Tensor, by: Rotation) -> Tensor:
    """Rotate x [S, H, D], pairing each even dimension with the next."""
    cos, sin = by
    crossed = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * cos + crossed * sin


def row_sums(places: Tensor, decay: Tensor) -> Tensor:
    """Sum of g^k over k <= n for places n: [...] and [H] -> [..., H]."""
    return torch.expm1((places[..., None] + 1) * decay) / torch.expm1(decay)


def retain(q: Tensor, k: Tensor, v: Tensor, decay: Tensor) -> Tensor:
    """All positions of a sequence at once: q, k [N, H, D], v [N, H, V] -> [N, H, V].

    A = (q k^T) * D, divided by clamp(sum |A|, 1, 5e4), which gradients pass by.
    """
    places = torch.arange(len(q), device=q.device)
    apart = places[:, None] - places
    fading = (apart * decay[:, None, None]).exp().masked_fill(apart < 0, 0)
    fading = fading / row_sums(places, decay).T.sqrt()[..., None]
    seen = torch.einsum("nhd,mhd->hnm", q, k) * fading
    size = seen.detach().abs().sum(-1, keepdim=True).clamp(1, LARGEST)
    return torch.einsum("hnm,mhv->nhv", seen / size, v)


def retained(k: Tensor, v: Tensor, decay: Tensor) -> Tensor:
    """What is left of a whole sequence at its last position: sum of g^(N - 1 - m) k_m v_m^T, [H, D, V]."""
    ago = torch.arange(len(k) - 1, -1, -1, device=k.device)
    return torch.einsum("mh,mhd,mhv->hdv", (ago[:, None] * decay).exp(), k, v)


def retain_next(q: Tensor, k: Tensor, v: Tensor, decay: Tensor, state: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """One position of each row: q, k [B, H, D], v [B, H, V], state [B, H, D, V], seen int64 [B] -> [B, H, V], state.

    The division by sum |A| is left out: it would take all keys, and a norm that follows undoes it.
    """
    state = decay.exp()[:, None, None] * state + k[..., None] * v[..., None, :]
    out = torch.einsum("bhd,bhdv->bhv", q, state)
    return out / row_sums(seen, decay).sqrt()[..., None], state
