"""Distance of mel spectra at several resolutions in time and in frequency.

Narrow bands hear harmonics, wide ones how loud a part of the spectrum is: in a narrow band of a noise the level is as
random as the noise, and an envelope that is off by less than that is hardly seen.
"""

from __future__ import annotations

from functools import cache

import librosa
import torch
from torch import Tensor

from .magnitude import magnitude, magnitude_distance, quietest
from .spectra import Spectra

SCALES = ((2048, 80), (1024, 80), (512, 80), (1024, 32), (512, 32), (256, 16))
"""Samples of a window and mel bands."""


class MelSTFT:
    """Mean over the resolutions, at a sample rate in Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []."""
        return torch.stack([self._at(spectra, *scale) for scale in SCALES]).mean()

    def _at(self, spectra: Spectra, window: int, bands: int) -> Tensor:
        filters = mel_filters(self._sample_rate, window, bands).to(spectra.output.device)
        output, target = (filters @ magnitude(spectrum) for spectrum in spectra.complex(window))
        # Each of these filters has an area of 1 over hertz.
        return magnitude_distance(output, target, quietest(window) * window / self._sample_rate)


@cache
def mel_filters(sample_rate: int, window: int, bands: int) -> Tensor:
    """Slaney's filters of equal area, float32 [bands, window / 2 + 1]."""
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=window, n_mels=bands))
