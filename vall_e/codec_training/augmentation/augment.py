"""All augmentations of a clip, drawn."""

from __future__ import annotations

import numpy as np

from vall_e.audio.read import Wave
from vall_e.config.codec_augmentation import AugmentationConfig

from .band_limit import band_limited
from .gain import with_gain
from .noise import pink, white, with_noise
from .reverberation import impulse_response, reverberant
from .speed import Draw, at_another_speed


def augmented(draw: Draw, samples: int, cfg: AugmentationConfig, rng: np.random.Generator, sample_rate: int) -> Wave:
    """A clip as the settings change it: float32 [samples] in -1..1."""
    if rng.random() < cfg.speed:
        wave = at_another_speed(draw, _between(rng, cfg.speed_range), samples)
    else:
        wave = draw(samples)
    if rng.random() < cfg.reverberation:
        seconds = _between(rng, cfg.reverberation_seconds)
        wave = reverberant(wave, impulse_response(rng, seconds, sample_rate))
    if rng.random() < cfg.noise:
        wave = with_noise(wave, _some_noise(rng, samples, draw), _between(rng, cfg.noise_snr_db))
    if rng.random() < cfg.band_limit:
        wave = band_limited(wave, _between(rng, cfg.band_limit_hz), sample_rate)
    decibels = _between(rng, cfg.gain_db) if rng.random() < cfg.gain else 0.0
    return with_gain(wave, decibels)


def _between(rng: np.random.Generator, bounds: list[float]) -> float:
    return float(rng.uniform(bounds[0], bounds[1]))


def _some_noise(rng: np.random.Generator, samples: int, draw: Draw) -> Wave:
    match rng.integers(3):
        case 0:
            return white(rng, samples)
        case 1:
            return pink(rng, samples)
    return draw(samples)
