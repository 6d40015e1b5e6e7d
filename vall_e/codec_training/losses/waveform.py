"""Distance of waveforms in the bands below 1 kHz."""

from __future__ import annotations

import torch
from torch import Tensor

from .bands import mean_over_bands
from .magnitude import FLOOR, quietest
from .spectra import Spectra

WINDOW = 1024


class Waveform:
    """Mean over bands, at a sample rate in Hz, of what differs as a share of the band: 0 for a copy, 1 for silence."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    def __call__(self, spectra: Spectra) -> Tensor:
        """The distance: []."""
        output, target = spectra.complex(WINDOW)
        return mean_over_bands(_distance, output, target, self._sample_rate)


def _distance(output: Tensor, target: Tensor) -> Tensor:
    """Sizes of the differences of frames over those of frames, complex64 [B, F, T] twice -> [].

    Frames count by their size and not by their power, as voices begin and end quietly.
    """
    lowest = quietest(WINDOW) * target.shape[1] ** 0.5 * target.shape[2]
    size = _frame_sizes(target).sum(-1).clamp_min(lowest)
    return (_frame_sizes(output - target).sum(-1) / size).mean()


def _frame_sizes(spectrum: Tensor) -> Tensor:
    """complex64 [B, F, T] -> float32 [B, T]."""
    return (torch.view_as_real(spectrum).square().sum((1, 3)) + FLOOR).sqrt()
