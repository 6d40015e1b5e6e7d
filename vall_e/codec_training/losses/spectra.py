"""Complex spectra of output and target, each computed once however many terms look at it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

OVERLAP = 4
"""Windows over each sample."""


@dataclass
class Spectra:
    """Short-time spectra of two batches of waveforms [B, N]; N is at least half the largest window."""

    output: Tensor
    target: Tensor
    _found: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def complex(self, window: int) -> tuple[Tensor, Tensor]:
        """Of output and target, complex64 [B, window / 2 + 1, T], with a Hann window and a hop of a quarter of it."""
        if window not in self._found:
            with torch.no_grad():
                target = stft(self.target, window)
            self._found[window] = stft(self.output, window), target
        return self._found[window]


def stft(wave: Tensor, window: int) -> Tensor:
    """[B, N] -> complex64 [B, window / 2 + 1, T]."""
    shape = torch.hann_window(window, device=wave.device)
    return torch.stft(wave, window, window // OVERLAP, window=shape, return_complex=True)
