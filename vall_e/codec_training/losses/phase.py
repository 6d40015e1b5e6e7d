"""Distance of phases as angles, which know that pi and -pi are the same (APNet, arXiv:2305.07952, section II-C)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .spectra import Spectra

WINDOWS = (1024,)
FLOOR = 1e-4
"""Magnitude below which a phase means nothing and has no gradient."""


def phase(spectra: Spectra) -> Tensor:
    """Mean distance of phase, of its difference over frequency (group delay) and over time (frequency)."""
    return torch.stack([_distance(*spectra.complex(window)) for window in WINDOWS]).mean()


def unwrapped(angle: Tensor) -> Tensor:
    """The size of an angle on its shorter way around: any in radians -> 0..pi."""
    return (angle - 2 * math.pi * torch.round(angle / (2 * math.pi))).abs()


def _distance(output: Tensor, target: Tensor) -> Tensor:
    sounds = (output.detach().abs() > FLOOR) & (target.abs() > FLOOR)
    error = torch.where(sounds, _angle(output, sounds) - _angle(target, sounds), 0.0)
    delay, frequency = error.diff(dim=1), error.diff(dim=2)
    return unwrapped(error).mean() + unwrapped(delay).mean() + unwrapped(frequency).mean()


def _angle(spectrum: Tensor, sounds: Tensor) -> Tensor:
    return torch.where(sounds, spectrum, torch.ones_like(spectrum)).angle()
