"""Speech as a telephone or a low sample rate leaves it."""

from __future__ import annotations

import numpy as np

from vall_e.audio.read import Wave

ROLL_OFF = 0.1
"""Of the limit: over so much below it the spectrum falls to nothing."""


def band_limited(wave: Wave, limit: float, sample_rate: int) -> Wave:
    """The wave without what lies above `limit` Hz; it falls as a cosine below it, so that nothing rings for long."""
    frequencies = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    beyond = ((frequencies - limit * (1 - ROLL_OFF)) / (limit * ROLL_OFF)).clip(0, 1)
    kept = 0.5 + 0.5 * np.cos(np.pi * beyond)
    return np.fft.irfft(np.fft.rfft(wave) * kept, len(wave)).astype(np.float32)
