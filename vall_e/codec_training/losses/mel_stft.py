"""Distance of mel spectra at several resolutions."""

from __future__ import annotations

from functools import cache

import librosa
import torch
from torch import Tensor

from .magnitude import magnitude, magnitude_distance, quietest
from .spectra import Spectra

WINDOWS = (2048, 1024, 512)
BANDS = 80


class MelSTFT:
    """Mean over the resolutions, at a sample rate in Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []."""
        return torch.stack([self._at(spectra, window) for window in WINDOWS]).mean()

    def _at(self, spectra: Spectra, window: int) -> Tensor:
        filters = mel_filters(self._sample_rate, window).to(spectra.output.device)
        output, target = (filters @ magnitude(spectrum) for spectrum in spectra.complex(window))
        # Each of these filters has an area of 1 over hertz.
        return magnitude_distance(output, target, quietest(window) * window / self._sample_rate)


@cache
def mel_filters(sample_rate: int, window: int) -> Tensor:
    """Slaney's filters of equal area, float32 [bands, window / 2 + 1]."""
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=window, n_mels=BANDS))
