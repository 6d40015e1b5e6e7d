"""Distance of magnitudes at several resolutions (arXiv:1910.11480)."""

from __future__ import annotations

import torch
from torch import Tensor

from .magnitude import magnitude, magnitude_distance
from .spectra import Spectra

WINDOWS = (2048, 1024, 512, 256)


def linear_stft(spectra: Spectra) -> Tensor:
    """Mean over the resolutions."""
    found = [magnitude_distance(*map(magnitude, spectra.complex(window))) for window in WINDOWS]
    return torch.stack(found).mean()
