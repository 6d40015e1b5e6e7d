"""Classifier-free guidance (Ho and Salimans, arXiv:2207.12598): away from what is said without text and prompt.

Axes: M predictions, V ids of a head, B rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.models.layout import ModelInput
from vall_e.models.tokens import NULL_TEXT


def unconditional(sample: ModelInput) -> ModelInput:
    """The sample without text and prompt."""
    return replace(sample, text=torch.tensor(NULL_TEXT), prompt=None)


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How predictions with and without the condition are combined.

    `strength` 1 is the conditional prediction; `rescale` is the share by which the combination gets the spread of the
    conditional one back (arXiv:2305.08891, section 3.4).
    """

    strength: float
    rescale: float

    def combine(self, conditional: Tensor, null: Tensor) -> Tensor:
        """s = null + strength * (conditional - null), its deviation over the block rescaled: [M, V] each -> [M, V]."""
        guided = null + (conditional - null) * self.strength
        return guided * self.factor(conditional.std(), guided.std())

    def factor(self, conditional: Tensor, guided: Tensor) -> Tensor:
        """What guided predictions are multiplied by, from the standard deviations of both."""
        return self.rescale * conditional / guided + 1 - self.rescale


def guidance(sampling: SamplingConfig, least: float = 0.0) -> Guidance | None:
    """The guidance that the settings want, of strength `least` at least; None if it is off."""
    strength = max(sampling.cfg_strength, least)
    return Guidance(strength=strength, rescale=sampling.cfg_rescale) if strength else None


class RunningGuidance:
    """Guidance code by code: what is rescaled is the deviation over all predictions of a row so far."""

    def __init__(self, guidance: Guidance) -> None:
        self.guidance = guidance
        self.conditional, self.guided = Moments(), Moments()

    def admit(self, rows: int) -> None:
        """Let rows join behind those there are."""
        for moments in (self.conditional, self.guided):
            moments.sums = torch.cat([moments.sums, torch.zeros(rows, 3, dtype=torch.float64)])

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        for moments in (self.conditional, self.guided):
            moments.sums = moments.sums[list(rows)]

    def combine(self, conditional: Tensor, null: Tensor, rows: range) -> Tensor:
        """Predictions of some of the rows with and without the condition: [B, V] each -> [B, V]."""
        guided = null + (conditional - null) * self.guidance.strength
        deviations = (self.conditional.deviation(conditional, rows), self.guided.deviation(guided, rows))
        return guided * self.guidance.factor(*deviations)[:, None].to(guided)


class Moments:
    """Count, sum and sum of squares of all values that each row has shown, in double precision: `sums` [rows, 3]."""

    def __init__(self) -> None:
        self.sums = torch.zeros(0, 3, dtype=torch.float64)

    def deviation(self, values: Tensor, rows: range) -> Tensor:
        """Add [B, V] to these rows; the standard deviation of each one's values so far: [B]."""
        values = values.double().cpu()
        count = torch.full((len(values),), float(values.shape[-1]), dtype=torch.float64)
        self.sums[rows.start : rows.stop] += torch.stack([count, values.sum(-1), values.square().sum(-1)], -1)
        counts, total, squares = self.sums[rows.start : rows.stop].unbind(-1)
        return ((squares - total**2 / counts) / (counts - 1)).sqrt()
