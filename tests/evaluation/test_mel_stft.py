"""The distance between waves."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vall_e.evaluation.mel_stft import MelStft

RATE = 24_000


@pytest.fixture(scope="module")
def metric() -> MelStft:
    return MelStft(RATE)


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.3 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def test_a_wave_is_at_no_distance_from_itself(metric: MelStft) -> None:
    assert metric.distance(noise(RATE), noise(RATE)) == 0


def test_it_is_the_sum_of_spectral_convergence_and_log_magnitude_difference(metric: MelStft) -> None:
    """Half the amplitude: |y - y/2| / |y| = 1/2, and log y - log y/2 = log 2."""
    assert metric.distance(noise(RATE) / 2, noise(RATE)) == pytest.approx(0.5 + math.log(2), rel=1e-4)


def test_the_longer_wave_is_cut_to_the_shorter(metric: MelStft) -> None:
    long = torch.cat([noise(RATE), noise(RATE, seed=1)])
    assert metric.distance(long, noise(RATE)) == metric.distance(noise(RATE), long) == 0


def test_saying_nothing_is_judged_as_silence(metric: MelStft) -> None:
    silent = metric.distance(torch.zeros(RATE), noise(RATE))
    assert metric.distance(torch.zeros(0), noise(RATE)) == silent > 5


@pytest.mark.parametrize("samples", [0, 1, 320, 512, 1023, 1025])
@pytest.mark.parametrize("other", [0, 1, 512, 4000])
def test_waves_of_any_length_have_a_finite_distance(metric: MelStft, samples: int, other: int) -> None:
    assert math.isfinite(metric.distance(noise(samples), noise(other, seed=1)))
    assert math.isfinite(metric.distance(noise(samples), torch.zeros(other)))


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_a_high_sample_rate_leaves_no_band_without_a_number() -> None:
    assert math.isfinite(MelStft(48_000).distance(noise(4000), noise(4000, seed=1)))
