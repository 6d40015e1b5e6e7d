"""From magnitudes and directions to a waveform whose spectrum has those magnitudes.

A direction is a phase as a complex number of size 1. Windows overlap, so most pairs of magnitudes and phases belong to
no waveform: laid over each other, windows that disagree cancel. A round of Griffin and Lim (Signal estimation from
modified short-time Fourier transform, 1984) takes the phases of what came out and the magnitudes that were meant. Axes:
B batch, F bins, T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

QUIET = 1e-3
"""Magnitude below which a phase is noise, and is not made louder."""
MOST = 10.0
"""Largest gain: what has cancelled to less than a tenth has no phase to keep, and its gradient would be noise."""


class ConsistentInverseSTFT(nn.Module):
    """Magnitudes and directions [B, F, T] -> waveform [B, T * hop], after some rounds of refinement."""

    window: Tensor

    def __init__(self, hop: int, window: int, refinements: int) -> None:
        super().__init__()
        self.hop, self.n_fft, self.refinements = hop, window, refinements
        self.register_buffer("window", torch.hann_window(window), persistent=False)

    def forward(self, magnitude: Tensor, direction: Tensor) -> Tensor:
        # The last frame stands twice, so that T frames give T hops.
        magnitude, direction = (torch.cat([x, x[..., -1:]], -1) for x in (magnitude, direction))
        wave = self._inverse(magnitude * direction)
        for _ in range(self.refinements):
            spectrum = self._forward(wave)
            gain = magnitude / (spectrum.abs() + QUIET)
            wave = self._inverse(spectrum * gain.clamp_max(MOST))
        return wave

    def _forward(self, wave: Tensor) -> Tensor:
        # Silence around it, as a waveform may be shorter than the half window that would be mirrored.
        return torch.stft(wave, self.n_fft, self.hop, window=self.window, pad_mode="constant", return_complex=True)

    def _inverse(self, spectrum: Tensor) -> Tensor:
        length = self.hop * (spectrum.shape[-1] - 1)
        return torch.istft(spectrum, self.n_fft, self.hop, window=self.window, length=length)
