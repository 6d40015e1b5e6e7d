"""Classifier-free guidance (Ho and Salimans, arXiv:2207.12598): away from what is said without text and prompt.

Axes: M predictions, V ids of a head, B rows.
"""

from __future__ import annotations

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

    def combine(self, logits: Tensor) -> Tensor:
        """Predictions with the condition, then those without it: [2 B, V] -> [B, V]."""
        conditional, null = logits.chunk(2)
        guided = null + (conditional - null) * self.guidance.strength
        factor = self.guidance.factor(self.conditional.deviation(conditional), self.guided.deviation(guided))
        return guided * factor[:, None].to(guided.dtype)


class Moments:
    """Sums over all values that a row has shown, in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def deviation(self, values: Tensor) -> Tensor:
        """Add [B, V]; the standard deviation of each row's values so far: [B]."""
        values = values.double()
        self.count += values.shape[-1]
        self.total = self.total + values.sum(-1)
        self.squares = self.squares + values.square().sum(-1)
        return ((self.squares - self.total**2 / self.count) / (self.count - 1)).sqrt()
