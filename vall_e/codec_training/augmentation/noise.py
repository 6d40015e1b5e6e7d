"""Noise beneath a clip."""

from __future__ import annotations

import numpy as np

from vall_e.audio.read import Wave

QUIET = 1e-5
"""Root mean square below which a clip counts as silence, -100 dB."""


def with_noise(wave: Wave, noise: Wave, snr_db: float) -> Wave:
    """The wave plus `noise` of the same length, scaled to lie `snr_db` below it; silence stays as it is."""
    signal, other = rms(wave), rms(noise)
    if min(signal, other) < QUIET:
        return wave
    noisy: Wave = wave + noise * np.float32(signal / other * 10 ** (-snr_db / 20))
    return noisy


def rms(wave: Wave) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def white(rng: np.random.Generator, samples: int) -> Wave:
    """Noise of equal power in every hertz."""
    return rng.standard_normal(samples, dtype=np.float32)


def pink(rng: np.random.Generator, samples: int) -> Wave:
    """Noise of equal power in every octave: white noise, whose spectrum is divided by the root of the frequency."""
    spectrum = np.fft.rfft(white(rng, samples))
    return np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)).clip(1)), samples).astype(np.float32)
