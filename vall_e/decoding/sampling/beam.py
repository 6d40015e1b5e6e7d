"""Beam search for level 0: several hypotheses at once, of which the best is said.

Axes: B hypotheses of one request, V ids of a head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.finish import Guard
from vall_e.decoding.guidance import Guidance
from vall_e.decoding.reply import Reply
from vall_e.decoding.sequences.sequences import Embed, Sequences
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .draw import level_zero_draw, narrowed
from .numbers import check_numbers
from .penalties import penalise_each


@dataclass(frozen=True)
class Hypothesis:
    """Ids that may be said, and the logarithm of their probability; it `stopped` if the model said so.

    parent: the row of the hypothesis that it goes on from.
    """

    ids: list[int]
    log_probability: float = 0.0
    stopped: bool = False
    parent: int = 0

    def score(self, power: float) -> float:
        """log P / length^power, the stop counted (arXiv:1609.08144, section 7); 1 is the mean over the ids."""
        return self.log_probability / math.pow(max(1, len(self.ids) + self.stopped), power)


class BeamSearch:
    """Follows the hypotheses of one request after another, so that none depends on the others.

    One that ends leaves the beam, which is so much narrower from then on. One that stopped is better than any that a
    guard ended; among equals the score tells.
    """

    def __init__(self, model: VallE, embed: Embed, sampling: SamplingConfig, guidance: Guidance | None = None) -> None:
        self.model, self.embed, self.sampling, self.guidance = model, embed, sampling, guidance
        self.draw = level_zero_draw(sampling)
        self.width, self.power = sampling.beam_width, sampling.beam_length_power

    @torch.inference_mode()
    def replies(self, prefixes: Iterable[ModelInput], guards: Sequence[Guard]) -> Iterator[Reply]:
        """The whole reply to every prefix; each has a guard."""
        for index, (prefix, guard) in enumerate(zip(prefixes, guards, strict=True)):
            ids = self.best(prefix, guard).ids
            yield Reply(index, self.model.stop, len(ids), ids, ended=True)

    def best(self, prefix: ModelInput, guard: Guard) -> Hypothesis:
        """The best hypothesis that is found for a prefix."""
        sequences = Sequences(self.model, self.embed, self.sampling.max_duration, self.guidance)
        sequences.admit([prefix])
        running, ended = [Hypothesis([])], list[Hypothesis]()
        while running:
            going = list[Hypothesis]()
            for one in self.grow(sequences.logits, running, self.width - len(ended)):
                (ended if one.stopped or guard.verdict(one.ids) else going).append(one)
            running = [one for one in going if self.may_win(one, ended)]
            if running:
                sequences.select([one.parent for one in running])
                sequences.extend([one.ids[-1] for one in running])
        return max(ended, key=lambda one: (one.stopped, one.score(self.power)))

    def grow(self, logits: Tensor, running: Sequence[Hypothesis], count: int) -> list[Hypothesis]:
        """The likeliest ways to go on from all hypotheses, by an id or the stop, `count` at most: logits [B, V]."""
        check_numbers(logits)
        logits = penalise_each(logits, [one.ids for one in running], self.model.stop, self.sampling)
        steps = narrowed(logits, self.draw).double().log_softmax(-1)
        so_far = torch.tensor([one.log_probability for one in running], dtype=steps.dtype, device=steps.device)
        sums = (steps + so_far[:, None]).flatten()
        possible = min(count, int(sums.isfinite().sum()))
        likeliest = sums.topk(possible)
        places = zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True)
        return [self._followed(running, total, *divmod(place, logits.shape[1])) for total, place in places]

    def _followed(self, running: Sequence[Hypothesis], total: float, parent: int, id: int) -> Hypothesis:
        stopped, said = id == self.model.stop, running[parent].ids
        return Hypothesis(said if stopped else [*said, id], total, stopped, parent)

    def may_win(self, one: Hypothesis, ended: Sequence[Hypothesis]) -> bool:
        """Whether a running hypothesis may become better than those that stopped: at the longest, without doubts."""
        highest = one.log_probability / math.pow(self.sampling.max_duration + 1, self.power)
        return all(highest > other.score(self.power) for other in ended if other.stopped)
