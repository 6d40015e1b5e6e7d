"""A static cache of keys and values, so that a step of decoding computes one position and not the whole sequence.

Axes: B rows, H heads, K heads of keys and values, S places of a row, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .attention import PackedAttention, shared


def attention_dtype(like: Tensor) -> torch.dtype:
    """What keys and values are computed in from `like`: its own type, or that of mixed precision."""
    device = like.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype


class KVCache:
    """Keys and values of every layer, [B, K, S, D] each, and how many places of each row are filled."""

    def __init__(self, layers: int, rows: int, heads: int, places: int, width: int, like: Tensor) -> None:
        shape = (layers, rows, heads, places, width)
        dtype = attention_dtype(like)
        self.keys, self.values = like.new_zeros(shape, dtype=dtype), like.new_zeros(shape, dtype=dtype)
        self.filled = torch.zeros(rows, dtype=torch.int64, device=like.device)

    def prefill(self, lengths: Sequence[int]) -> PrefillAttention:
        """Attention for the packed prefixes of all rows, which also fills the cache."""
        return PrefillAttention(self, lengths)

    def step(self) -> StepAttention:
        """Attention for one new position per row; every row becomes one longer."""
        self.filled += 1
        return StepAttention(self)

    def again(self, count: int) -> StepAttention:
        """See `Cache`."""
        return StepAttention(self, count)


class PrefillAttention:
    """Causal attention over packed prefixes."""

    def __init__(self, cache: KVCache, lengths: Sequence[int]) -> None:
        self.cache, self.lengths = cache, list(lengths)
        self.packed = PackedAttention(lengths, [True] * len(lengths))
        cache.filled[:] = torch.tensor(lengths)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [sum of lengths, H, D], k and v [sum of lengths, K, D] -> [sum of lengths, H, D]."""
        for store, new in ((self.cache.keys, k), (self.cache.values, v)):
            for row, piece in enumerate(torch.split(new.transpose(0, 1), self.lengths, 1)):
                store[layer, row, :, : self.lengths[row]] = piece
        return self.packed(layer, q, k, v)


class StepAttention:
    """Attention of the last positions of each row to all places filled before them, row by row."""

    def __init__(self, cache: KVCache, count: int = 1) -> None:
        self.cache, self.count = cache, count
        device = cache.filled.device
        self.rows = torch.arange(len(cache.filled), device=device)[:, None]
        self.at = cache.filled[:, None] - count + torch.arange(count, device=device)
        self.places = int(cache.filled.max())
        self.visible = (torch.arange(self.places, device=device) <= self.at[..., None])[:, None]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [B * count, H, D], k and v [B * count, K, D] -> [B * count, H, D]."""
        device = q.device
        keys, values = self.cache.keys[layer], self.cache.values[layer]
        q, k, v = (x.to(keys.device).view(-1, self.count, *x.shape[1:]) for x in (q, k, v))  # layers may lie elsewhere
        keys[self.rows, :, self.at] = k
        values[self.rows, :, self.at] = v
        keys, values = (shared(x[:, :, : self.places], q.shape[2], 1) for x in (keys, values))
        out: Tensor = scaled_dot_product_attention(q.transpose(1, 2), keys, values, attn_mask=self.visible)
        return out.transpose(1, 2).flatten(0, 1).to(device)
