"""Distance of complex spectra with compressed magnitudes (arXiv:1911.02411): it hears phase."""

from __future__ import annotations

import torch
from torch import Tensor

from .spectra import Spectra

WINDOWS = (2048, 1024, 512)
POWER = 0.3
FLOOR = 1e-8
"""Added to squared magnitudes: below it the gradient of the power would be infinite."""


def complex_stft(spectra: Spectra) -> Tensor:
    """Mean over the resolutions of the mean absolute distance of real and imaginary parts."""
    return torch.stack([_distance(*spectra.complex(window)) for window in WINDOWS]).mean()


def compressed(spectrum: Tensor) -> Tensor:
    """X |X|^(POWER - 1): complex [B, F, T] -> float32 [B, F, T, 2]."""
    parts = torch.view_as_real(spectrum)
    return parts * (parts.square().sum(-1, keepdim=True) + FLOOR).pow((POWER - 1) / 2)


def _distance(output: Tensor, target: Tensor) -> Tensor:
    return (compressed(output) - compressed(target)).abs().mean()
