"""Sequences of models with a `causal_size` above 1: each id is predicted so many positions before it stands.

Axes: B sequences, twins included, C ids a step, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vall_e.decoding.guidance import Guidance
from vall_e.decoding.reply import Choose, Reply
from vall_e.models.layout import Layout, ModelInput
from vall_e.models.vall_e import VallE

from .sequences import Embed, Sequences


class SeveralIds(Sequences):
    """Sequences that get C ids a step: `block` holds the predictions of all of them, `logits` those of the first."""

    def __init__(self, model: VallE, embed: Embed, steps: int, guidance: Guidance | None) -> None:
        self.several = model.cfg.experimental.causal_size
        super().__init__(model, embed, steps + self.several, guidance)
        self.block = torch.zeros(0, self.several, 0)

    def admit(self, prefixes: Sequence[ModelInput]) -> None:
        """See `Sequences`."""
        known = self.block
        super().admit(prefixes)
        self.block = torch.cat([known, self.block]) if len(known) else self.block

    def begin(self, hidden: Tensor, layouts: Sequence[Layout], rows: range) -> Tensor:
        """See `Sequences`."""
        pieces = torch.split(hidden, [layout.length for layout in layouts])
        self.block = self._predict(torch.stack([piece[-self.several :] for piece in pieces]), rows)
        return self.block[:, 0]

    def advance(self, replies: Sequence[Reply], choose: Choose) -> Iterator[Reply]:
        """See `Sequences`."""
        told = [[reply.ids[-1]] for reply in replies]
        for place in range(1, self.several):
            chosen = choose(self.block[:, place], replies)
            for reply, ids, id in zip(replies, told, chosen, strict=True):
                ids.append(id)
                if not reply.ended:
                    reply.hear(id)
                    yield reply
        if not all(reply.ended for reply in replies):
            self._tell(told)

    def select(self, kept: Sequence[int]) -> None:
        """See `Sequences`."""
        super().select(kept)
        self.block = self.block[list(kept)]

    def _tell(self, ids: Sequence[Sequence[int]]) -> None:
        """Tell every sequence C ids."""
        device, count = self.model.device, self.several
        told = torch.tensor([one for one in ids for _ in range(self.twins)], device=device)
        places = torch.tensor(self.positions, device=device)[:, None] + torch.arange(count, device=device)
        for _ in range(count):
            within = self.cache.step()
        within = self.cache.again(count)
        hidden, _ = self.model.model(self.embed(told.flatten()), places.flatten(), within)
        self.positions = [position + count for position in self.positions]
        self.block = self._predict(hidden.unflatten(0, (-1, count)), range(len(self)))
        self.logits = self.block[:, 0]

    def _predict(self, hidden: Tensor, rows: range) -> Tensor:
        """Predictions, guided, from hidden states [B, C, d]: [rows, C, V]."""
        return torch.stack([self.guided(self.read(one, rows), rows) for one in hidden.unbind(1)], 1)
