"""Distance of what discriminators see in speech and in coded speech (arXiv:1910.06711)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Features = Sequence[Tensor]
"""Activations of the layers of a discriminator."""


def feature_matching(real: Sequence[Features], coded: Sequence[Features]) -> Tensor:
    """Mean absolute distance over layers, discriminators and clips, each by the mean size of its activations.

    So deep layers and quiet clips count as much as others (arXiv:2210.13438, section 3.4).
    """
    pairs = ((r.detach(), c) for rs, cs in zip(real, coded, strict=True) for r, c in zip(rs, cs, strict=True))
    return torch.stack([_distance(r.flatten(1), c.flatten(1)) for r, c in pairs]).mean()


def _distance(real: Tensor, coded: Tensor) -> Tensor:
    return ((real - coded).abs().mean(1) / real.abs().mean(1).clamp_min(1e-6)).mean()
