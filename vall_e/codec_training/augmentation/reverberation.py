"""A room made of noise that dies away (J. Polack, 1988)."""

from __future__ import annotations

import numpy as np

from vall_e.audio.read import Wave

PREDELAY_SECONDS = 0.02
"""Longest time between the sound itself and its room."""
DIRECT_TO_REVERBERANT_DB = (0.0, 15.0)


def impulse_response(rng: np.random.Generator, seconds: float, sample_rate: int) -> Wave:
    """Of a room in which sound falls by 60 dB in `seconds`: the sound itself first, at 1, then the room."""
    tail = rng.standard_normal(int(seconds * sample_rate)) * decay(seconds, sample_rate)
    level = 10 ** (-rng.uniform(*DIRECT_TO_REVERBERANT_DB) / 20)
    tail *= level / max(1e-9, float(np.linalg.norm(tail)))
    silence = np.zeros(int(rng.uniform(0, PREDELAY_SECONDS) * sample_rate))
    return np.concatenate([[1.0], silence, tail]).astype(np.float32)


def decay(seconds: float, sample_rate: int) -> Wave:
    """Amplitudes that fall by 60 dB in `seconds`, from 1."""
    return (10 ** (-3 * np.arange(int(seconds * sample_rate)) / (seconds * sample_rate))).astype(np.float32)


def reverberant(wave: Wave, response: Wave) -> Wave:
    """The wave in that room, cut to its own length and as loud as it was."""
    size = len(wave) + len(response) - 1
    found = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)[: len(wave)]
    before, after = float(np.linalg.norm(wave)), float(np.linalg.norm(found))
    return (found * (before / max(1e-9, after))).astype(np.float32)
