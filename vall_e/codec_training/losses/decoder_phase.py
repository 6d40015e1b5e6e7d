"""Distance of the phases that the decoder writes, in the bands below 1 kHz."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from .bands import mean_over_bands
from .magnitude import quietest


def decoder_phase(direction: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    """Mean over bands of 1 - cos of the difference, each bin by its magnitude: 0 for the same, 1 for any phase.

    direction: complex64 of size 1, target: complex64, [B, F, T] both.
    """
    lowest = quietest(2 * (target.shape[1] - 1))
    return mean_over_bands(partial(_distance, lowest=lowest), direction, target, sample_rate)


def _distance(direction: Tensor, target: Tensor, lowest: float) -> Tensor:
    magnitude = target.abs()
    away = magnitude - (direction.real * target.real + direction.imag * target.imag)
    size = magnitude.sum((1, 2)).clamp_min(lowest * target[0].numel())
    return (away.sum((1, 2)) / size).mean()
