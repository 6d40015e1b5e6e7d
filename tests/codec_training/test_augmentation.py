"""What augmentations do, measured."""

from __future__ import annotations

import numpy as np
import pytest

from vall_e.codec_training.augmentation.augment import augmented
from vall_e.codec_training.augmentation.band_limit import band_limited
from vall_e.codec_training.augmentation.gain import with_gain
from vall_e.codec_training.augmentation.noise import pink, rms, white, with_noise
from vall_e.codec_training.augmentation.reverberation import decay, impulse_response, reverberant
from vall_e.codec_training.augmentation.speed import at_another_speed
from vall_e.config.codec_augmentation import AugmentationConfig

RATE = 24_000
NEVER = AugmentationConfig(speed=0, gain=0, reverberation=0, noise=0, band_limit=0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def power(wave: np.ndarray, low: float, high: float) -> float:
    """Between two frequencies in Hz."""
    frequencies = np.fft.rfftfreq(len(wave), 1 / RATE)
    return float((np.abs(np.fft.rfft(wave)) ** 2)[(frequencies >= low) & (frequencies < high)].sum())


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
def test_noise_lies_as_far_below_the_clip_as_told(rng: np.random.Generator, snr: float) -> None:
    wave = 0.1 * white(rng, RATE)
    noisy = with_noise(wave, pink(rng, RATE), snr)
    assert 20 * np.log10(rms(wave) / rms(noisy - wave)) == pytest.approx(snr, abs=0.01)


def test_silence_gets_no_noise(rng: np.random.Generator) -> None:
    silence = np.zeros(RATE, np.float32)
    assert with_noise(silence, white(rng, RATE), 0.0) is silence


def test_white_noise_has_equal_power_in_hertz_and_pink_in_octaves(rng: np.random.Generator) -> None:
    wide, pinkish = white(rng, 10 * RATE), pink(rng, 10 * RATE)
    assert power(wide, 4_000, 8_000) / power(wide, 2_000, 4_000) == pytest.approx(2, rel=0.05)
    assert power(pinkish, 4_000, 8_000) / power(pinkish, 2_000, 4_000) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("limit", [3_400.0, 8_000.0])
def test_nothing_is_left_above_the_limit_and_all_below_it(rng: np.random.Generator, limit: float) -> None:
    wave = white(rng, RATE)
    narrow = band_limited(wave, limit, RATE)
    assert power(narrow, limit + 1, RATE) < 1e-6 * power(wave, limit + 1, RATE)
    assert power(narrow, 0, 0.9 * limit) == pytest.approx(power(wave, 0, 0.9 * limit), rel=1e-3)


def test_a_room_dies_away_by_60_db_in_its_time() -> None:
    envelope = decay(0.5, RATE)
    assert 20 * np.log10(envelope[0] / envelope[-1]) == pytest.approx(60, abs=0.01)


def test_a_clip_in_a_room_is_as_loud_as_before_and_sounds_on(rng: np.random.Generator) -> None:
    wave = np.zeros(RATE, np.float32)
    wave[: RATE // 4] = 0.1 * white(rng, RATE // 4)
    heard = reverberant(wave, impulse_response(rng, 0.5, RATE))
    assert heard.shape == wave.shape and heard.dtype == np.float32
    assert rms(heard) == pytest.approx(rms(wave), rel=1e-4)
    assert rms(heard[RATE // 4 :]) > 1e-3 > 1e-9 > rms(wave[RATE // 4 :])


def test_gain_is_in_decibels_and_never_clips() -> None:
    wave = np.array([0.1, -0.2], np.float32)
    assert with_gain(wave, -6.0).tolist() == pytest.approx([0.0501, -0.1002], abs=1e-4)
    assert with_gain(wave, 40.0).tolist() == pytest.approx([0.5, -1.0])


def test_chances_of_0_leave_a_clip_alone_and_of_1_change_it(rng: np.random.Generator) -> None:
    wave = 0.1 * white(rng, RATE)
    assert np.array_equal(augmented(lambda _: wave, RATE, NEVER, rng, RATE), wave)
    every = AugmentationConfig(speed=0, gain=1, reverberation=1, noise=1, band_limit=1, band_limit_hz=[4000.0, 4000.0])
    heard = augmented(lambda samples: white(rng, samples), RATE, every, rng, RATE)
    assert power(heard, 4_001, RATE) < 1e-6 * power(heard, 0, 4_000)
    assert np.abs(heard).max() <= 1


def test_the_same_random_numbers_do_the_same() -> None:
    wave, cfg = 0.1 * white(np.random.default_rng(5), RATE), AugmentationConfig(noise=1, reverberation=1)
    first, again = (augmented(lambda n: wave[:n], RATE, cfg, np.random.default_rng(7), RATE) for _ in range(2))
    assert np.array_equal(first, again)


def tone(samples: int) -> np.ndarray:
    """At 1 kHz."""
    return np.sin(2 * np.pi * 1_000 * np.arange(samples) / RATE, dtype=np.float32)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_faster_speech_is_higher_and_fills_the_clip(speed: float) -> None:
    played = at_another_speed(tone, speed, RATE)
    assert played.shape == (RATE,) and played.dtype == np.float32
    around = power(played, 1_000 * speed - 20, 1_000 * speed + 20)
    assert around > 0.99 * power(played, 0, RATE)
    assert rms(played[-480:]) == pytest.approx(rms(tone(480)), rel=0.05)


def test_clips_are_played_at_speeds_within_the_range(rng: np.random.Generator) -> None:
    drawn: list[int] = []

    def draw(samples: int) -> np.ndarray:
        drawn.append(samples)
        return tone(samples)

    cfg = AugmentationConfig(speed=1, speed_range=[0.9, 1.1], gain=0, reverberation=0, noise=0, band_limit=0)
    for _ in range(50):
        assert augmented(draw, RATE, cfg, rng, RATE).shape == (RATE,)
    assert 0.9 * RATE <= min(drawn) < 0.95 * RATE and 1.05 * RATE < max(drawn) <= 1.1 * RATE + 2
