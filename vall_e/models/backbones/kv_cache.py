"""A static cache of keys and values, so that a step of decoding computes new positions and not the whole sequence.

Axes: B rows, N new positions of each, H heads, K heads of keys and values, S places of a row, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .attention import PackedAttention, shared


def attention_dtype(like: Tensor) -> torch.dtype:
    """What keys and values are computed in from `like`: its own type, or that of mixed precision."""
    device = like.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype


def attention_scores(q: Tensor, keys: Tensor) -> Tensor:
    """q . k / sqrt(D) of one position each: q [..., H, D], keys [..., H, S, D] -> float32 [..., H, S]."""
    # Not a matrix product, which mixed precision would round.
    scores: Tensor = (q.float()[..., None, :] * keys.float()).sum(-1) / q.shape[-1] ** 0.5
    return scores


class KVCache:
    """Keys and values of every layer, [B, K, S, D] each, and how many places of each row are filled.

    Room for rows and places grows as it is needed; `places` is how many are expected.

    scores: float32 [H, filled] of each row, what its newest position thinks of every place before the softmax, in the
    layer that was computed last; None, as long as no list is put there, keeps none.
    """

    def __init__(self, layers: int, heads: int, places: int, width: int, like: Tensor) -> None:
        self.filled: list[int] = []
        self.scores: list[Tensor] | None = None
        self.keys, self.values = (
            like.new_zeros((layers, 0, heads, places, width), dtype=attention_dtype(like)) for _ in range(2)
        )

    def admit(self, lengths: Sequence[int]) -> AdmittingAttention:
        """See `Cache`."""
        first = len(self.filled)
        self.filled += lengths
        self._reserve()
        return AdmittingAttention(self, range(first, len(self.filled)))

    def step(self) -> StepAttention:
        """See `Cache`."""
        self.filled = [filled + 1 for filled in self.filled]
        self._reserve()
        return self.again(1)

    def again(self, count: int) -> StepAttention:
        """See `Cache`."""
        return StepAttention(self, count)

    def select(self, rows: Sequence[int]) -> None:
        """See `Cache`."""
        moved = [(to, source) for to, source in enumerate(rows) if to != source]
        self.filled = [self.filled[row] for row in rows]
        self._reserve()
        if moved:
            to, source = (list(places) for places in zip(*moved, strict=True))
            longest = max(self.filled[row] for row in to)
            for store in (self.keys, self.values):
                store[:, to, :, :longest] = store[:, source, :, :longest]
        if self.scores is not None:
            self.scores = [self.scores[row] for row in rows]

    def forget(self, counts: Sequence[int]) -> None:
        """Take back the newest places of each row."""
        self.filled = [filled - count for filled, count in zip(self.filled, counts, strict=True)]

    def _reserve(self) -> None:
        layers, rows, heads, places, width = self.keys.shape
        needed = max(self.filled, default=0)
        wanted_rows, wanted_places = max(rows, len(self.filled)), max(places, needed)
        if needed > places:
            wanted_places = max(needed, places + places // 2)  # seldom, as all that is kept is copied
        if (wanted_rows, wanted_places) == (rows, places):
            return
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(layers, wanted_rows, heads, wanted_places, width)
            new[:, :rows, :, :places] = old
            setattr(self, name, new)


class AdmittingAttention:
    """Causal attention over the packed prefixes of new rows, which also fills the cache."""

    def __init__(self, cache: KVCache, rows: range) -> None:
        self.cache, self.rows = cache, rows
        self.lengths = [cache.filled[row] for row in rows]
        self.ends = [end - 1 for end in accumulate(self.lengths)]
        self.packed = PackedAttention(self.lengths, [True] * len(rows))

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [sum of lengths, H, D], k and v [sum of lengths, K, D] -> [sum of lengths, H, D]."""
        for store, new in ((self.cache.keys, k), (self.cache.values, v)):
            pieces = torch.split(new.transpose(0, 1), self.lengths, 1)
            for row, length, piece in zip(self.rows, self.lengths, pieces, strict=True):
                store[layer, row, :, :length] = piece
        if self.cache.scores is not None:
            keys, last = torch.split(shared(k, q.shape[1], 1).transpose(0, 1), self.lengths, 1), q[self.ends]
            self.cache.scores[self.rows.start :] = list(map(attention_scores, last, keys))
        return self.packed(layer, q, k, v)


class StepAttention:
    """Attention of the newest positions of every row, as many of each, to what is filled, causally."""

    def __init__(self, cache: KVCache, count: int) -> None:
        device = cache.keys.device
        self.cache, self.count, self.places = cache, count, max(cache.filled)
        newest = torch.tensor(cache.filled, device=device)[:, None] + torch.arange(-count, 0, device=device)
        self.rows, self.newest = torch.arange(len(cache.filled), device=device)[:, None], newest
        everything = count == 1 and min(cache.filled) == self.places
        places = torch.arange(self.places, device=device)
        self.visible = None if everything else (places <= newest[..., None])[:, None]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [B * N, H, D], k and v [B * N, K, D] -> [B * N, H, D]."""
        rows, device = len(self.rows), q.device
        keys, values = self.cache.keys[layer, :rows], self.cache.values[layer, :rows]
        # Layers may lie on several devices.
        q, k, v = (x.to(keys.device).reshape(rows, self.count, *x.shape[1:]) for x in (q, k, v))
        keys[self.rows, :, self.newest] = k
        values[self.rows, :, self.newest] = v
        keys, values = (shared(x[:, :, : self.places], q.shape[2], 1) for x in (keys, values))
        if self.cache.scores is not None:
            scores = zip(attention_scores(q[:, -1], keys), self.cache.filled, strict=True)
            self.cache.scores = [row[:, :filled] for row, filled in scores]
        out: Tensor = scaled_dot_product_attention(q.transpose(1, 2), keys, values, attn_mask=self.visible)
        return out.transpose(1, 2).flatten(0, 1).to(device)
