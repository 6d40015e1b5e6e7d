"""Residual vector quantisation with codebooks learnt by exponential moving averages.

The nearest vector of each level in turn is not the best way through all of them: encoding keeps several ways and takes
the one that leaves the least over at the end (W. LeBlanc et al., Efficient search and design procedures for robust
multi-stage VQ, IEEE Transactions on speech and audio processing, 1993), in training as well. Axes: B batch, T frames,
D latent width, Q levels, K codebook entries.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMA_DECAY = 0.99
DEAD_BELOW = 0.4
"""A code whose moving usage count falls under this share of the mean is re-seeded from the batch. What is said most
often, as silence is, gets most of the new codes, so that each code comes to be used about as often as others."""
WAYS = 4
"""That encoding keeps at each level."""
SEARCHED = 256
"""Frames at once: what is searched fits into a processor's cache, however long the sound is."""


Pool = Callable[[Tensor], Tensor]
"""Rows [M, ...] of one process -> those of all processes that train together, in the same order on each."""


def alone(rows: Tensor) -> Tensor:
    """The rows of the only process."""
    return rows


class Codebook(nn.Module):
    """One quantiser level: `vectors: [K, D]`, started by k-means on the first batch it sees."""

    vectors: Tensor
    usage: Tensor
    sums: Tensor
    started: Tensor
    revived = 0
    """Codes that the last `learn` re-seeded."""

    def __init__(self, entries: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(entries, width))
        self.register_buffer("usage", torch.ones(entries), persistent=False)
        self.register_buffer("sums", torch.zeros(entries, width), persistent=False)
        self.register_buffer("started", torch.tensor(False), persistent=False)

    def nearest(self, x: Tensor) -> Tensor:
        """Ids of the closest vectors: x [..., D] -> int64 [...]."""
        return self._nearness(x).argmax(-1)

    def best(self, left: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """What leaves the least over of vectors left [N, W, D]: int64 [N, W'], W' <= count, the best first, of rows in
        `left` and of ids to be taken from them."""
        nearness = (self._nearness(left) - 0.5 * left.square().sum(-1, keepdim=True)).flatten(1)
        pairs = nearness.topk(min(count, nearness.shape[1])).indices
        return pairs // len(self.vectors), pairs % len(self.vectors)

    def _nearness(self, x: Tensor) -> Tensor:
        """Half the squared length of x less half the squared distance of every vector: x [..., D] -> [..., K]."""
        return x @ self.vectors.T - 0.5 * self.vectors.square().sum(-1)

    @torch.no_grad()
    def start(self, x: Tensor, rounds: int = 10) -> None:
        """Place the codebook by k-means over x [M, D]."""
        entries = len(self.vectors)
        self.vectors.copy_(x[torch.randint(len(x), (entries,), device=x.device)])
        for _ in range(rounds):
            counts, sums = self._statistics(x, self.nearest(x))
            filled = counts > 0
            self.vectors[filled] = sums[filled] / counts[filled, None]
        self.sums.copy_(self.vectors)
        self.usage.fill_(1.0)
        self.started.fill_(True)

    @torch.no_grad()
    def learn(self, x: Tensor, ids: Tensor) -> None:
        """Move the codebook towards x [M, D] that fell on ids [M]; re-seed codes that are hardly used."""
        counts, sums = self._statistics(x, ids)
        self.usage.lerp_(counts, 1 - EMA_DECAY)
        self.sums.lerp_(sums, 1 - EMA_DECAY)
        self.vectors.copy_(self.sums / self.usage[:, None].clamp_min(1e-4))
        typical = self.usage.mean()
        dead = self.usage < DEAD_BELOW * typical
        self.revived = int(dead.sum())
        if self.revived:
            seeds = x[torch.randint(len(x), (self.revived,), device=x.device)]
            self.vectors[dead] = seeds
            self.sums[dead] = seeds * typical
            self.usage[dead] = typical

    def _statistics(self, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        counts = torch.bincount(ids, minlength=len(self.vectors)).to(x.dtype)
        return counts, torch.zeros_like(self.vectors).index_add_(0, ids, x)


class ResidualQuantizer(nn.Module):
    """Q codebooks, each quantising what the levels before it left over."""

    def __init__(self, levels: int, entries: int, width: int) -> None:
        super().__init__()
        self.codebooks = nn.ModuleList(Codebook(entries, width) for _ in range(levels))
        self.pool: Pool = alone

    def encode(self, x: Tensor, levels: int | None = None) -> Tensor:
        """Latents [B, T, D] -> codes int64 [B, T, Q], of the first `levels` alone where they are given."""
        books = self.books()[:levels]
        found = [_search(books, frames) for frames in torch.split(x.flatten(0, 1), SEARCHED)]
        return torch.cat(found).view(*x.shape[:2], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, T, Q'] with Q' <= Q -> latents [B, T, D]."""
        books = list(self.books())[: codes.shape[-1]]
        return torch.stack([b.vectors[codes[..., q]] for q, b in enumerate(books)]).sum(0)

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Quantise latents for training, learning the codebooks from what `pool` gathers.

        x: [B, T, D]; keep: int [B], levels used per row (quantiser dropout: SoundStream, section III-C).
        Returns the straight-through latents [B, T, D] and the commitment loss: this process's share of the mean over
        all, so that the losses of all processes add up to it.
        """
        codes = self._kept_codes(x.detach(), keep)
        residual, total = x, torch.zeros_like(x)
        commitment = x.new_zeros(())
        for level, book in enumerate(self.books()):
            rows = keep > level
            own = residual[rows].flatten(0, 1)
            every = self.pool(own.detach())
            if not len(every):
                break
            ids = codes[rows, :, level].flatten()
            chosen = book.vectors[ids]
            commitment = commitment + F.mse_loss(own, chosen, reduction="sum") / every.numel()
            step = torch.zeros_like(x)
            step[rows] = chosen.view(-1, *x.shape[1:])
            total, residual = total + step, residual - step
            everyones = self.pool(ids)
            if every.isfinite().all():
                book.learn(every, everyones)
        return x + (total - x).detach(), commitment / len(self.codebooks)

    def _kept_codes(self, x: Tensor, keep: Tensor) -> Tensor:
        """Of latents [B, T, D] through the first `keep` [B] levels: int64 [B, T, Q], 0 where there are none."""
        self._start(x, keep)
        codes = x.new_zeros(*x.shape[:2], len(self.codebooks), dtype=torch.int64)
        for levels in set(keep.tolist()):
            rows = keep == levels
            codes[rows, :, :levels] = self.encode(x[rows], levels)
        return codes

    def _start(self, x: Tensor, keep: Tensor) -> None:
        """Place the codebooks that no batch has reached before, each on what those before it leave over."""
        if all(book.started for book in self.books()):
            return
        for level, book in enumerate(self.books()):
            every = self.pool(x[keep > level].flatten(0, 1))
            if not len(every):
                return
            if not book.started:
                book.start(every)
            x = x - book.vectors[book.nearest(x)]

    def books(self) -> list[Codebook]:
        """The codebooks, from the first level on."""
        return [b for b in self.codebooks if isinstance(b, Codebook)]


def _search(books: list[Codebook], x: Tensor) -> Tensor:
    """Latents [N, D] -> codes int64 [N, levels] of the best of the ways that are kept."""
    left, ways = x[:, None], x.new_zeros(len(x), 1, 0, dtype=torch.int64)
    for book in books:
        came_from, ids = book.best(left, WAYS)
        left = _of(left, came_from) - book.vectors[ids]
        ways = torch.cat([_of(ways, came_from), ids[..., None]], -1)
    return ways[:, 0]


def _of(rows: Tensor, chosen: Tensor) -> Tensor:
    """rows [N, W, D], chosen int64 [N, W'] -> [N, W', D]."""
    return rows.gather(1, chosen[..., None].expand(-1, -1, rows.shape[-1]))
