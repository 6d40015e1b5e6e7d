"""How the codes of RVQ level 0 are chosen, code by code. B replies that are running, V ids of the head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig

from .dice import Dice
from .finish import Guard
from .penalties import penalise, penalises
from .reply import Reply
from .samplers import level_zero_draw, pick


class LevelZeroChoice:
    """Penalties, filters, a draw, and a guard that ends what goes on for too long; a `Choose`.

    dice, guards: one for each request.
    """

    def __init__(self, sampling: SamplingConfig, stop: int, dice: Sequence[Dice], guards: Sequence[Guard]) -> None:
        self.sampling, self.stop, self.dice, self.guards = sampling, stop, dice, guards
        self.draw = level_zero_draw(sampling)

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next code of each reply, or `stop`: logits [B, V]."""
        if penalises(self.sampling):
            rows = zip(logits.unbind(), replies, strict=True)
            logits = torch.stack([penalise(row, reply.ids, self.stop, self.sampling) for row, reply in rows])
        thrown = torch.cat([self.dice[reply.index].throw((0,), 1, len(reply.ids)) for reply in replies])
        drawn = pick(logits, self.draw, thrown).tolist()
        return [
            self.stop if self.guards[reply.index].verdict(reply.ids) else code
            for reply, code in zip(replies, drawn, strict=True)
        ]
