"""How the codes of RVQ level 0 are chosen, code by code. B replies that are running, V ids of the head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.finish import Guard
from vall_e.decoding.reply import Choose, Reply

from .dice import Dice, throw_each
from .draw import level_zero_draw, pick
from .entropix import Entropix
from .mirostat import Mirostat
from .penalties import penalise_each
from .repetition_aware import RepetitionAware


class LevelZeroChoice:
    """Penalties, a sampler, and a guard that ends what goes on for too long; a `Choose`.

    dice, guards: one for each request.
    """

    def __init__(self, sampling: SamplingConfig, stop: int, dice: Sequence[Dice], guards: Sequence[Guard]) -> None:
        self.sampling, self.stop, self.guards = sampling, stop, guards
        self.sampler = sampler(sampling, stop, dice)

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next code of each reply, or `stop`: logits [B, V]."""
        logits = penalise_each(logits, [reply.ids for reply in replies], self.stop, self.sampling)
        return [
            self.stop if self.guards[reply.index].verdict(reply.ids) else code
            for reply, code in zip(replies, self.sampler(logits, replies), strict=True)
        ]


def sampler(sampling: SamplingConfig, stop: int, dice: Sequence[Dice]) -> Choose:
    """The sampler that the settings name; a codebook has `stop` codes."""
    if sampling.entropix_sampling:
        return Entropix(sampling, dice)
    if sampling.mirostat_tau:
        return Mirostat(sampling, stop, dice)
    return RepetitionAware(sampling, dice) if sampling.ras_window else Plain(sampling, dice)


class Plain:
    """Filters and a draw; a `Choose`."""

    def __init__(self, sampling: SamplingConfig, dice: Sequence[Dice]) -> None:
        self.draw, self.dice = level_zero_draw(sampling), dice

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next id of each reply: logits [B, V]."""
        thrown = throw_each(((self.dice[reply.index], len(reply.ids)) for reply in replies), (0,))
        ids: list[int] = pick(logits, self.draw, thrown).tolist()
        return ids
