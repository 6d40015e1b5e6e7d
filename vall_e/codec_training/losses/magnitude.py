"""Magnitudes and their distance, as AuraLoss computes them.

AuraLoss (C. Steinmetz, J. Reiss, 2020) takes spectral convergence over a whole batch; here every clip has its own, so
that quiet clips count as loud ones do, and a batch may be spread over ranks. Clips below -60 dB count as if they had
that. Logarithms of bins may count by the bins' widths on the mel scale: half of the bins lie above 6 kHz, and not half
of what is heard.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

FLOOR = 1e-8
"""Smallest squared magnitude."""
MEL_CORNER = 700
"""Hz, up to which the mel scale is about linear (O'Shaughnessy, Speech communication, 1987)."""


def quietest(window: int) -> float:
    """Root mean square of the magnitudes of white noise at -60 dB under a Hann window of so many samples."""
    return 1e-3 * math.sqrt(window * 3 / 8)


def magnitude(spectrum: Tensor) -> Tensor:
    """complex64 [B, F, T] -> float32 [B, F, T]."""
    squared = spectrum.real.square() + spectrum.imag.square()
    return squared.clamp_min(FLOOR).sqrt()


@cache
def mel_widths(bins: int, sample_rate: int) -> Tensor:
    """Of bins from 0 Hz to half the sample rate, with a mean of 1: float32 [bins, 1]."""
    width = 1 / (MEL_CORNER + torch.linspace(0, sample_rate / 2, bins))
    return (width / width.mean())[:, None]


def magnitude_distance(output: Tensor, target: Tensor, lowest: float, widths: Tensor | None = None) -> Tensor:
    """Spectral convergence (arXiv:1808.06719) plus the mean distance of logarithms: [B, F, T] twice -> [].

    lowest: root mean square of the magnitudes of the quietest clip; silence would make the convergence infinite.
    widths: [F, 1], how much the logarithms of a bin count; all alike without.
    """
    size = torch.linalg.vector_norm(target, dim=(1, 2)).clamp_min(lowest * target[0].numel() ** 0.5)
    convergence = torch.linalg.vector_norm(target - output, dim=(1, 2)) / size
    logarithmic = (output.log() - target.log()).abs()
    if widths is not None:
        logarithmic = logarithmic * widths.to(target.device)
    distance: Tensor = convergence.mean() + logarithmic.mean()
    return distance
