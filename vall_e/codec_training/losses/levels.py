"""Distance of the levels of mel bands, averaged over several spans of time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .magnitude import quietest
from .mel_stft import mel_filters
from .spectra import Spectra

WINDOW, BANDS = 1024, 40
SPANS = (5, 15, 45)
"""Frames over which power is averaged, 10.7 ms from one to the next at 24 kHz."""


class Levels:
    """Mean distance of logarithms of the root mean square of a band over each span, at a sample rate in Hz.

    A magnitude is as random as the noise that it is of, and a distance of logarithms is least at its median, which lies
    below its root mean square: what is coded sounds duller. The level of many magnitudes is hardly random. Levels over
    longer spans are what tells voices apart, and a loss of short ones hardly sees whether they are right.
    """

    def __init__(self, sample_rate: int) -> None:
        self._filters = mel_filters(sample_rate, WINDOW, BANDS)
        # The power of white noise at -70 dB in a filter, whose area is 1 over hertz.
        self._floor = (0.3 * quietest(WINDOW)) ** 2 / sample_rate * WINDOW

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []."""
        output, target = (self._power(spectrum) for spectrum in spectra.complex(WINDOW))
        spans = [span for span in SPANS if span <= output.shape[-1]]
        return torch.stack([(self._levels(output, n) - self._levels(target, n)).abs().mean() for n in spans]).mean()

    def _power(self, spectrum: Tensor) -> Tensor:
        """Of the bands: [B, F, T] -> [B, bands, T]."""
        return self._filters.to(spectrum.device) @ (spectrum.real.square() + spectrum.imag.square())

    def _levels(self, power: Tensor, span: int) -> Tensor:
        """Logarithms of root mean squares of spans, each beginning a third of a span after the one before."""
        return 0.5 * (F.avg_pool1d(power, span, stride=span // 3) + self._floor).log()
