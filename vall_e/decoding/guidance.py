"""Classifier-free guidance (Ho and Salimans, arXiv:2207.12598): away from what is said without text and prompt.

Axes: M predictions, V ids of a head, B rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

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
