"""Distance of magnitudes at several resolutions (arXiv:1910.11480)."""

from __future__ import annotations

import torch
from torch import Tensor

from .magnitude import magnitude, magnitude_distance, quietest
from .spectra import Spectra

WINDOWS = (2048, 1024, 512, 256)


def linear_stft(spectra: Spectra) -> Tensor:
    """Mean over the resolutions."""
    return torch.stack([_at(spectra, window) for window in WINDOWS]).mean()


def _at(spectra: Spectra, window: int) -> Tensor:
    output, target = map(magnitude, spectra.complex(window))
    return magnitude_distance(output, target, quietest(window))
