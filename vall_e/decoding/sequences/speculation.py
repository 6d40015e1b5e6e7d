"""Self-speculative decoding (LayerSkip, arXiv:2404.16710, section 4.3): the first layers draft, the others check.

Axes: B sequences, N positions told in a step, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vall_e.decoding.reply import Choose, Reply
from vall_e.models.backbones.kv_cache import KVCache
from vall_e.models.vall_e import VallE

from .sequences import Embed, Sequences


@dataclass(frozen=True)
class Speculation:
    """The first `layers` draft `codes` at a time."""

    layers: int
    codes: int


class SpeculativeSequences(Sequences):
    """Sequences that get several ids a step where the first layers foresee what all layers say.

    A drafted id counts if it is what is chosen from the predictions of all layers, so that the ids are the same as
    without drafts.
    """

    cache: KVCache

    def __init__(self, model: VallE, embed: Embed, steps: int, speculation: Speculation) -> None:
        super().__init__(model, embed, steps + speculation.codes)
        self.drafting, self.checking = range(speculation.layers), range(speculation.layers, len(model.model.stack))
        self.drafts = speculation.codes

    def advance(self, replies: Sequence[Reply], choose: Choose) -> Iterator[Reply]:
        """See `Sequences`."""
        hidden, drafts = self._draft([reply.imagined() for reply in replies], choose)
        predicted = self._check(hidden)
        right = [0] * len(replies)
        for place, drafted in enumerate(drafts):
            going_on = [row for row, reply in enumerate(replies) if right[row] == place and not reply.ended]
            if not going_on:
                break
            chosen = choose(predicted[going_on, place], [replies[row] for row in going_on])
            for row, id in zip(going_on, chosen, strict=True):
                if id == drafted[row]:
                    right[row] += 1
                    replies[row].hear(id)
                    yield replies[row]
        self.logits = predicted[torch.arange(len(replies)), right]
        self.cache.forget([self.drafts - count for count in right])
        self.positions = [position + 1 + count for position, count in zip(self.positions, right, strict=True)]

    def _draft(self, imagined: Sequence[Reply], choose: Choose) -> tuple[Tensor, list[Sequence[int]]]:
        """Drafts, and the output of the first layers for the newest ids and for the drafts behind them: [B, N, d]."""
        told: Sequence[int] = [reply.ids[-1] for reply in imagined]
        states, drafts = [self._first_layers(told, 0)], list[Sequence[int]]()
        while len(drafts) < self.drafts:
            logits = self.model.logits(self.head, self.model.model.leave(states[-1])).float()
            told = choose(logits, imagined)
            for reply, id in zip(imagined, told, strict=True):
                reply.hear(id)
            drafts.append(told)
            states.append(self._first_layers(told, len(drafts)))
        return torch.stack(states, 1), drafts

    def _first_layers(self, told: Sequence[int], place: int) -> Tensor:
        """The output of the drafting layers for an id of each sequence, `place` behind its newest: [B, d]."""
        device = self.model.device
        vectors, positions = self.embed(torch.tensor(told, device=device)), torch.tensor(self.positions, device=device)
        states, _ = self.model.model.run(vectors, positions + place, self.cache.step(), self.drafting)
        return states

    def _check(self, states: Tensor) -> Tensor:
        """Predictions of all layers after each position told, from what the first made of them: [B, N, V]."""
        rows, count = states.shape[:2]
        positions = torch.tensor(self.positions, device=self.model.device)[:, None]
        places = positions + torch.arange(count, device=positions.device)
        within = self.cache.again(count)
        hidden, _ = self.model.model.run(states.flatten(0, 1), places.flatten(), within, self.checking)
        logits = self.read(self.model.model.leave(hidden), range(rows))
        return logits.reshape(rows, count, -1)
