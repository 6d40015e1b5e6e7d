"""Mirostat: draws that keep the surprise of what is said near a target (arXiv:2007.14966, algorithm 1).

V ids of a head, N codes of the codebook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.reply import Reply

from .dice import Dice, throw_each
from .draw import drawn, level_zero_draw, narrowed

RANKS = 100
"""Likeliest ids that the exponent is estimated from."""


class Mirostat:
    """Draws from as many of the likeliest ids as each reply's largest surprise allows, which it adapts; a `Choose`.

    The largest surprise starts at twice the target, and each draw moves it by `mirostat_eta` times its error.
    """

    def __init__(self, sampling: SamplingConfig, codes: int, dice: Sequence[Dice]) -> None:
        self.draw, self.codes, self.dice = level_zero_draw(sampling), codes, dice
        self.target, self.rate = sampling.mirostat_tau, sampling.mirostat_eta
        self.largest: dict[int, float] = {}

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next id of each reply: logits [B, V]."""
        thrown = throw_each(((self.dice[reply.index], len(reply.ids)) for reply in replies), (0,))
        probabilities, order = narrowed(logits, self.draw).double().softmax(-1).sort(-1, descending=True)
        rows = zip(probabilities.cpu(), torch.split(thrown, 1), replies, strict=True)
        ranks = [self._rank(row, one, reply) for row, one, reply in rows]
        return [int(ids[rank]) for ids, rank in zip(order, ranks, strict=True)]

    def _rank(self, probabilities: Tensor, thrown: Tensor, reply: Reply) -> int:
        largest = self.largest.get(reply.index, 2 * self.target)
        kept = ranks_kept(zipf_exponent(probabilities), largest, self.codes, len(probabilities))
        rank = int(drawn(probabilities[None, :kept].log(), thrown))
        error = -math.log2(float(probabilities[rank])) - self.target
        self.largest[reply.index] = largest - self.rate * error
        return rank


def zipf_exponent(probabilities: Tensor) -> float:
    """s of p_i ~ 1 / i^s by least squares over the first ranks: probabilities [V], largest first.

    s = sum of ln(p_i / p_i+1) ln((i + 2) / (i + 1)) / sum of ln((i + 2) / (i + 1))^2 for i from 0; infinite if but one
    id has any probability.
    """
    possible = probabilities[: RANKS + 1]
    possible = possible[possible > 0]
    if len(possible) < 2:
        return math.inf
    ranks = torch.arange(1, len(possible), dtype=torch.float64)
    steps = ((ranks + 1) / ranks).log()
    return float(((possible[:-1] / possible[1:]).log() * steps).sum() / steps.square().sum())


def ranks_kept(exponent: float, largest: float, codes: int, ids: int) -> int:
    """How many of `ids` have a surprise up to `largest` bits, where `codes` follow Zipf's law with an exponent s.

    k = round((e 2^largest / (1 - N^-e))^(1 / s)) + 1 with e = s - 1; at least 1, at most `ids`.
    """
    if math.isinf(exponent):
        return 1
    excess, codes_log = exponent - 1, math.log(codes)
    total = excess / -math.expm1(-excess * codes_log) if excess else 1 / codes_log
    log_kept = (math.log(total) + largest * math.log(2)) / max(exponent, 1e-9)
    return min(round(math.exp(min(log_kept, math.log(ids)))) + 1, ids)
