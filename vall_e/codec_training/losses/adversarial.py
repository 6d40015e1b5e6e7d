"""What discriminators and the codec want of the discriminators' scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def discriminator_loss(real: Sequence[Tensor], coded: Sequence[Tensor], objective: str) -> Tensor:
    """Mean over discriminators, of whom each wants scores of 1 (hinge: above 1) for speech, 0 (below -1) for coded.

    Least squares: arXiv:1611.04076; hinge: arXiv:1705.02894. `real` and `coded` are the scores of each, any shape.
    """
    if objective == "hinge":
        found = [(1 - r).relu().mean() + (1 + c).relu().mean() for r, c in zip(real, coded, strict=True)]
    else:
        found = [(1 - r).square().mean() + c.square().mean() for r, c in zip(real, coded, strict=True)]
    return torch.stack(found).mean()


def adversarial(coded: Sequence[Tensor], objective: str) -> Tensor:
    """Mean over discriminators: the codec wants coded speech to be scored as speech."""
    wanted = [-c.mean() if objective == "hinge" else (1 - c).square().mean() for c in coded]
    return torch.stack(wanted).mean()
