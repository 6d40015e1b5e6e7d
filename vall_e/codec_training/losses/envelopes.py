"""How the envelopes of bands go together, which is what makes speech understood."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from .magnitude import quietest
from .spectra import Spectra

WINDOW = 1024
LOWEST, BANDS = 150.0, 15
"""Hz in the middle of the first band, and third-octave bands."""
FRAMES, STEP = 36, 6
"""Over which envelopes are compared, 384 ms at 24 kHz, and from one comparison to the next."""


class Envelopes:
    """One less the mean correlation of envelopes, at a sample rate in Hz.

    As the short-time objective intelligibility measure, STOI, compares speech (C. Taal et al., An algorithm for
    intelligibility prediction of time-frequency weighted noisy speech, IEEE Transactions on audio, speech and language
    processing, 2011), without its clipping: what changes little counts little.
    """

    def __init__(self, sample_rate: int) -> None:
        self._bands = third_octaves(sample_rate)
        # The power of white noise at -60 dB in the widest band: below it, envelopes count as equal.
        self._floor = quietest(WINDOW) ** 2 * float(self._bands.sum(-1).max())

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []; 0 for what is too short to compare."""
        output, target = (self._segments(spectrum) for spectrum in spectra.complex(WINDOW))
        if not output.shape[2]:
            return output.sum()
        product = (output * target).sum(-1)
        size = (output.square().sum(-1) + self._floor).sqrt() * (target.square().sum(-1) + self._floor).sqrt()
        return 1 - ((product + self._floor) / size).mean()

    def _segments(self, spectrum: Tensor) -> Tensor:
        """Envelopes less their means: [B, F, T] -> [B, bands, segments, FRAMES]."""
        power = spectrum.real.square() + spectrum.imag.square()
        # Some of the floor within the root, whose gradient is infinite at 0.
        envelopes = (self._bands.to(power.device) @ power + 1e-2 * self._floor).sqrt()
        if envelopes.shape[-1] < FRAMES:
            return envelopes.new_zeros(*envelopes.shape[:2], 0, FRAMES) * envelopes.sum()
        segments = envelopes.unfold(-1, FRAMES, STEP)
        return segments - segments.mean(-1, keepdim=True)


@cache
def third_octaves(sample_rate: int) -> Tensor:
    """Which bins belong to which band: float32 [bands, bins]."""
    frequencies = torch.linspace(0, sample_rate / 2, WINDOW // 2 + 1)
    middle = LOWEST * 2 ** (torch.arange(BANDS)[:, None] / 3)
    return ((frequencies >= middle * 2 ** (-1 / 6)) & (frequencies < middle * 2 ** (1 / 6))).float()
