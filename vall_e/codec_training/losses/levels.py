"""Distance of the levels of mel bands, smoothed over time."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .magnitude import quietest
from .mel_stft import mel_filters
from .spectra import Spectra

WINDOW, BANDS = 1024, 40
FRAMES = 5
"""Over which power is averaged: 43 ms between the first and the last."""


class Levels:
    """Mean distance of logarithms of the root mean square of a band over some frames, at a sample rate in Hz.

    A magnitude is as random as the noise that it is of, and a distance of logarithms is least at its median, which lies
    below its root mean square: what is coded sounds duller. The level of many magnitudes is hardly random.
    """

    def __init__(self, sample_rate: int) -> None:
        self._filters = mel_filters(sample_rate, WINDOW, BANDS)
        # The power of white noise at -70 dB in a filter, whose area is 1 over hertz.
        self._floor = (0.3 * quietest(WINDOW)) ** 2 / sample_rate * WINDOW

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []."""
        output, target = (self._levels(spectrum) for spectrum in spectra.complex(WINDOW))
        return (output - target).abs().mean()

    def _levels(self, spectrum: Tensor) -> Tensor:
        power = spectrum.real.square() + spectrum.imag.square()
        bands = self._filters.to(power.device) @ power
        return 0.5 * (F.avg_pool1d(bands, FRAMES, stride=2) + self._floor).log()
