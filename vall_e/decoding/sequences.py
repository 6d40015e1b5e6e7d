"""Sequences that grow by an id each at every step, through a cache; new ones join as others end.

Axes: B sequences, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from vall_e.errors import ConfigError
from vall_e.models.backbones.backbone import Cache
from vall_e.models.backbones.kv_cache import KVCache
from vall_e.models.layout import Layout, ModelInput
from vall_e.models.vall_e import VallE

from .guidance import Guidance, RunningGuidance, unconditional

Embed = Callable[[Tensor], Tensor]
"""Ids int64 [B] -> [B, d], their vectors in the output segment."""


class Sequences:
    """A batch whose every sequence has predictions for its next id: `logits` float32 [B, V].

    steps: ids each is expected to get. With guidance each has a twin, without text and prompt, that is told the same.
    With `watched` there is `attention`, too: ConfigError if the model has none.
    """

    logits: Tensor

    def __init__(
        self, model: VallE, embed: Embed, steps: int, guidance: Guidance | None = None, watched: bool = False
    ) -> None:
        self.model, self.embed, self.steps, self.watched = model, embed, steps, watched
        self.guide = RunningGuidance(guidance) if guidance else None
        self.twins = 2 if self.guide else 1
        self.logits = torch.zeros(0, 0, device=model.device)
        self.positions: list[int] = []

    def __len__(self) -> int:
        return len(self.positions) // self.twins

    @property
    def attention(self) -> list[Tensor]:
        """What the newest position of each sequence thinks of all S so far, before the softmax: float32 [H, S].

        It is that of the last layer, with text and prompt.
        """
        scores = self.cache.scores if isinstance(self.cache, KVCache) else None
        return (scores or [])[:: self.twins]

    def admit(self, prefixes: Sequence[ModelInput]) -> None:
        """Let sequences join behind those there are."""
        shown = [twin for p in prefixes for twin in ((p, unconditional(p)) if self.guide else (p,))]
        packed = self.model.pack(shown)
        if not self.positions:
            self.head = packed.layouts[0].head
            self.cache = self._cache(max(packed.lengths) + self.steps, packed.embeddings)
        hidden = self.model.hidden(packed, self.cache.admit(packed.lengths))
        last = torch.tensor(packed.lengths).cumsum(0) - 1
        if self.guide:
            self.guide.admit(len(prefixes))
        known = self.logits
        self.logits = self._predict(hidden[last.to(hidden.device)], range(len(self), len(self) + len(prefixes)))
        if len(known):
            self.logits = torch.cat([known, self.logits])
        self.positions += [next_position(self.model, layout) for layout in packed.layouts]

    def extend(self, ids: Sequence[int]) -> None:
        """Tell every sequence its next id."""
        told = torch.tensor([id for id in ids for _ in range(self.twins)], device=self.model.device)
        positions = torch.tensor(self.positions, device=self.model.device)
        hidden, _ = self.model.model(self.embed(told), positions, self.cache.step())
        self.positions = [position + 1 for position in self.positions]
        self.logits = self._predict(hidden, range(len(self)))

    def select(self, kept: Sequence[int]) -> None:
        """Keep these sequences, in this order; one may stand several times."""
        rows = [self.twins * one + twin for one in kept for twin in range(self.twins)]
        self.cache.select(rows)
        self.positions = [self.positions[row] for row in rows]
        self.logits = self.logits[list(kept)]
        if self.guide:
            self.guide.select(kept)

    def _cache(self, places: int, like: Tensor) -> Cache[Any]:
        cache: Cache[Any] = self.model.model.cache(places, like)
        if self.watched:
            if not isinstance(cache, KVCache):
                kind = self.model.cfg.arch_type
                raise ConfigError(f"entropix_sampling=true does not go with arch_type={kind}, which has no attention")
            cache.scores = []
        return cache

    def _predict(self, hidden: Tensor, sequences: range) -> Tensor:
        logits = self.model.logits(self.head, hidden).float()
        return self.guide.combine(logits[0::2], logits[1::2], sequences) if self.guide else logits


def next_position(model: VallE, layout: Layout) -> int:
    """Position of the first new id.

    With restarting ids it is the number of vectors the output segment has already: none, or the bos of stt.
    """
    unified = model.cfg.experimental.unified_position_ids
    return layout.length if unified else layout.segments[-1].length


def closed_up(running: int, ended: Collection[int]) -> list[int]:
    """Those of `running` rows that go on, in an order in which only the last ones move, to where others ended."""
    order = list(range(running - len(ended)))
    movers = [row for row in range(len(order), running) if row not in ended]
    for gap, mover in zip(sorted(row for row in ended if row < len(order)), movers, strict=True):
        order[gap] = mover
    return order
