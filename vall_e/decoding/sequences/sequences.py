"""Sequences that grow at every step, through a cache; new ones join as others end.

Axes: B sequences, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from vall_e.decoding.guidance import Guidance, RunningGuidance, unconditional
from vall_e.decoding.reply import Choose, Reply
from vall_e.errors import ConfigError
from vall_e.models.backbones.backbone import Cache
from vall_e.models.backbones.kv_cache import KVCache
from vall_e.models.layout import Layout, ModelInput
from vall_e.models.vall_e import VallE

Embed = Callable[[Tensor], Tensor]
"""Ids int64 [B] -> [B, d], their vectors in the output segment."""


FORESEEN = 256
"""Ids that there is room for from the start; room for more is made when they come."""


class Sequences:
    """A batch whose every sequence has predictions for its next id: `logits` float32 [B, V].

    steps: ids each is expected to get. With guidance each has a twin, without text and prompt, that is told the same.
    With `watched` there is `attention`, too: ConfigError if the model has none.
    """

    def __init__(
        self, model: VallE, embed: Embed, steps: int, guidance: Guidance | None = None, watched: bool = False
    ) -> None:
        self.model, self.embed, self.steps, self.watched = model, embed, steps, watched
        self.guide = RunningGuidance(guidance) if guidance else None
        self.twins = 2 if self.guide else 1
        self.logits = torch.zeros(0, 0)
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
            self.cache = self._cache(max(packed.lengths) + min(self.steps, FORESEEN), packed.embeddings)
        hidden = self.model.hidden(packed, self.cache.admit(packed.lengths))
        if self.guide:
            self.guide.admit(len(prefixes))
        rows = range(len(self), len(self) + len(prefixes))
        found = self.begin(hidden, packed.layouts, rows)
        self.positions += [next_position(self.model, layout) for layout in packed.layouts]
        self.logits = torch.cat([self.logits, found]) if len(self.logits) else found

    def begin(self, hidden: Tensor, layouts: Sequence[Layout], rows: range) -> Tensor:
        """Predictions of sequences that join, from hidden states of their prefixes end to end [S, d]: [B, V]."""
        last = torch.tensor([layout.length for layout in layouts]).cumsum(0) - 1
        return self.guided(self.read(hidden[last.to(hidden.device)], rows), rows)

    def advance(self, replies: Sequence[Reply], choose: Choose) -> Iterator[Reply]:
        """Tell every sequence the newest id of its reply; replies that got further ids on the way."""
        self.extend([reply.ids[-1] for reply in replies])
        return iter(())

    def extend(self, ids: Sequence[int]) -> None:
        """Tell every sequence an id."""
        rows = range(len(self))
        told = torch.tensor([id for id in ids for _ in range(self.twins)], device=self.model.device)
        positions = torch.tensor(self.positions, device=self.model.device)
        self.positions = [position + 1 for position in self.positions]
        self.logits = self.guided(self.step(self.embed(told), positions), rows)

    def step(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """Predictions after one new position of each sequence and twin: [B, d], int64 [B] -> [B, V]."""
        hidden, _ = self.model.model(vectors, positions, self.cache.step())
        return self.read(hidden, range(len(self)))

    def read(self, hidden: Tensor, rows: range) -> Tensor:
        """Predictions of some of the sequences and their twins from hidden states [B, d]: float32 [B, V]."""
        return self.model.logits(self.head, hidden).float()

    def guided(self, logits: Tensor, rows: range) -> Tensor:
        """Predictions of some of the sequences by their own and by those of their twins."""
        return self.guide.combine(logits[0::2], logits[1::2], rows) if self.guide else logits

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
