"""Distance of magnitudes at several resolutions (arXiv:1910.11480)."""

from __future__ import annotations

import torch
from torch import Tensor

from .magnitude import magnitude, magnitude_distance, mel_widths, quietest
from .spectra import Spectra

WINDOWS = (2048, 1024, 512, 256)


class LinearSTFT:
    """Mean over the resolutions, at a sample rate in Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []."""
        return torch.stack([self._at(spectra, window) for window in WINDOWS]).mean()

    def _at(self, spectra: Spectra, window: int) -> Tensor:
        output, target = map(magnitude, spectra.complex(window))
        return magnitude_distance(output, target, quietest(window), mel_widths(output.shape[1], self._sample_rate))
