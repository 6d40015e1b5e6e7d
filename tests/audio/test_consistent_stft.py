"""Waveforms from magnitudes and directions that belong to none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vall_e.audio.builtin.consistent_stft import ConsistentInverseSTFT
from vall_e.audio.read import Wave

HOP, WINDOW = 320, 1280


def spectrum(wave: Tensor) -> Tensor:
    """complex64 [1, F, T] of a waveform [1, N], a frame per hop."""
    return torch.stft(wave, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)[..., :-1]


@pytest.fixture
def wave(speech: Wave) -> Tensor:
    """[1, N], a whole number of hops."""
    return torch.from_numpy(speech[: len(speech) // HOP * HOP])[None]


def test_the_spectrum_of_a_waveform_gives_it_back(wave: Tensor) -> None:
    true = spectrum(wave)
    for refinements in (0, 2):
        found = ConsistentInverseSTFT(HOP, WINDOW, refinements)(true.abs(), true.sgn())
        inside = slice(WINDOW, -WINDOW)
        error = (found - wave)[0, inside].norm() / wave[0, inside].norm()
        assert float(error) < 0.02


def test_each_round_brings_magnitudes_nearer_to_those_that_were_meant(wave: Tensor) -> None:
    meant = spectrum(wave).abs()
    phase = torch.rand(meant.shape, generator=torch.Generator().manual_seed(0)) * 6.28
    direction = torch.polar(torch.ones_like(phase), phase)
    errors = []
    for refinements in (0, 1, 2, 4, 8):
        found = ConsistentInverseSTFT(HOP, WINDOW, refinements)(meant, direction)
        errors.append(float((spectrum(found).abs() - meant).norm() / meant.norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * errors[0]


def test_gradients_are_finite_where_nothing_sounds() -> None:
    magnitude = torch.full((1, WINDOW // 2 + 1, 6), 1e-6, requires_grad=True)
    direction = torch.ones_like(magnitude, dtype=torch.complex64, requires_grad=True)
    ConsistentInverseSTFT(HOP, WINDOW, 2)(magnitude, direction).square().sum().backward()
    assert magnitude.grad is not None and magnitude.grad.isfinite().all()
    assert direction.grad is not None and direction.grad.isfinite().all()
