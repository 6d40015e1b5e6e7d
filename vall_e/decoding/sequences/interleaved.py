"""Levels that take turns: one code after another, frame after frame.

Axes: B sequences, twins included, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.finish import Finish, Guard
from vall_e.decoding.guidance import Guidance
from vall_e.decoding.reply import Reply
from vall_e.decoding.request import Part
from vall_e.decoding.sampling.dice import Dice
from vall_e.decoding.sampling.draw import level_zero_draw, pick, upper_level_draw
from vall_e.decoding.sampling.penalties import penalise
from vall_e.models.interleaving import frames_of
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .sequences import Sequences


class TakingTurns(Sequences):
    """Sequences whose every id is read and predicted by the table and head of its level."""

    def __init__(self, model: VallE, steps: int, guidance: Guidance | None) -> None:
        super().__init__(model, self._embed, steps, guidance)
        self.levels = model.cfg.resp_levels
        self.said: list[int] = []

    def admit(self, prefixes: Sequence[ModelInput]) -> None:
        """See `Sequences`."""
        self.said += [0] * len(prefixes)
        super().admit(prefixes)

    def step(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """See `Sequences`."""
        self.said = [said + 1 for said in self.said]
        return super().step(vectors, positions)

    def read(self, hidden: Tensor, rows: range) -> Tensor:
        """See `Sequences`."""
        levels = self._levels(rows)
        logits = [self.model.logits(f"AR:{q}:{q}", one[None]) for q, one in zip(levels, hidden, strict=True)]
        return torch.cat(logits).float()

    def select(self, kept: Sequence[int]) -> None:
        """See `Sequences`."""
        super().select(kept)
        self.said = [self.said[row] for row in kept]

    def _embed(self, ids: Tensor) -> Tensor:
        levels = self._levels(range(len(self.said)))
        return torch.cat([self.model.resps_emb.read(q, id[None]) for q, id in zip(levels, ids, strict=True)])

    def _levels(self, rows: range) -> list[int]:
        """The level of the next id of each sequence and twin."""
        return [self.said[row] % self.levels for row in rows for _ in range(self.twins)]


class TurnsChoice:
    """The code of the level whose turn it is; a `Choose`."""

    def __init__(self, model: VallE, sampling: SamplingConfig, dice: Sequence[Dice], guards: Sequence[Guard]) -> None:
        self.stop, self.levels = model.stop, model.cfg.resp_levels
        self.sampling, self.dice, self.guards = sampling, dice, guards
        self.draws = level_zero_draw(sampling), upper_level_draw(sampling)

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next code of each reply, or `stop` in the place of a frame's first: logits [B, V]."""
        return [self._choose(row, reply) for row, reply in zip(logits, replies, strict=True)]

    def _choose(self, logits: Tensor, reply: Reply) -> int:
        frame, level = divmod(len(reply.ids), self.levels)
        thrown = self.dice[reply.index].throw((level,), 1, frame)
        if level:
            return int(pick(logits[None, : self.stop], self.draws[1], thrown))
        previous = reply.ids[:: self.levels]
        if self.guards[reply.index].verdict(previous):
            return self.stop
        return int(pick(penalise(logits, previous, self.stop, self.sampling)[None], self.draws[0], thrown))


def frames_said(reply: Reply, guard: Guard, levels: int, sampling: SamplingConfig) -> Part | None:
    """The frames of a reply once it has ended, without the loop that they may end with, of as many levels as wanted."""
    if not reply.ended:
        return None
    frames = frames_of(reply.ids, levels)
    first = frames[:, 0].tolist()
    kept = frames[: len(guard.kept(first))]
    return Part(reply.index, kept[:, : sampling.max_levels + 1].to(torch.int16), guard.verdict(first) or Finish.stop)
