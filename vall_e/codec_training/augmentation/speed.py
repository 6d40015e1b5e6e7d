"""Another voice: speech played faster or slower, with pitch and formants that move together."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import soxr

from vall_e.audio.read import Wave

Draw = Callable[[int], Wave]
"""A clip of so many samples from anywhere in the speech."""


def at_another_speed(draw: Draw, speed: float, samples: int) -> Wave:
    """A drawn wave, played `speed` times as fast: float32 [samples]."""
    wave = draw(math.ceil(samples * speed) + 1)
    played = soxr.resample(wave, speed, 1)[:samples]
    return np.pad(played, (0, samples - len(played))).astype(np.float32, copy=False)
