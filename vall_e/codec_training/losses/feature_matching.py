"""Distance of what discriminators see in speech and in coded speech (arXiv:1910.06711)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Features = Sequence[Tensor]
"""Activations of the layers of a discriminator."""


def feature_matching(real: Sequence[Features], coded: Sequence[Features]) -> Tensor:
    """Mean absolute distance over layers and discriminators, each layer's by the mean size of its activations."""
    pairs = ((r.detach(), c) for rs, cs in zip(real, coded, strict=True) for r, c in zip(rs, cs, strict=True))
    found = [(r - c).abs().mean() / r.abs().mean().clamp_min(1e-6) for r, c in pairs]
    return torch.stack(found).mean()
