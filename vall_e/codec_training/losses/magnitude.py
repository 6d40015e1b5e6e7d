"""Magnitudes and their distance, as AuraLoss computes them.

AuraLoss (C. Steinmetz, J. Reiss, 2020) takes spectral convergence over a whole batch; here every clip has its own, so
that quiet clips count as loud ones do, and a batch may be spread over ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-8
"""Smallest squared magnitude."""


def magnitude(spectrum: Tensor) -> Tensor:
    """complex64 [B, F, T] -> float32 [B, F, T]."""
    squared = spectrum.real.square() + spectrum.imag.square()
    return squared.clamp_min(FLOOR).sqrt()


def magnitude_distance(output: Tensor, target: Tensor) -> Tensor:
    """Spectral convergence (arXiv:1808.06719) plus the mean distance of logarithms: [B, F, T] twice -> []."""
    convergence = torch.linalg.vector_norm(target - output, dim=(1, 2)) / torch.linalg.vector_norm(target, dim=(1, 2))
    logarithmic = (output.log() - target.log()).abs()
    distance: Tensor = convergence.mean() + logarithmic.mean()
    return distance
