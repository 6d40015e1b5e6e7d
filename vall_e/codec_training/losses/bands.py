"""The bands below 1 kHz, where the ear follows a waveform and a codec can afford to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

EDGES = (60, 280, 500, 750, 1000)
"""In Hz."""


def mean_over_bands(
    distance: Callable[[Tensor, Tensor], Tensor], output: Tensor, target: Tensor, sample_rate: int
) -> Tensor:
    """Mean of the distances of the bands of spectra [B, F, T] from 0 Hz to half the sample rate: []."""
    bins = [round(2 * edge * (target.shape[1] - 1) / sample_rate) for edge in EDGES]
    found = [distance(output[:, low:high], target[:, low:high]) for low, high in pairwise(bins)]
    return torch.stack(found).mean()
