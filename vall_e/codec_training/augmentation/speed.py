"""Another voice: speech played faster or slower, with pitch and formants that move together."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import soxr

from vall_e.audio.read import Wave

SPEEDS = 1000
"""Recordings are taken as if made at so many hertz, in whole numbers."""


def at_another_speed(draw: Callable[[int], Wave], speed: float, samples: int) -> Wave:
    """A wave from `draw`, which takes its length, played `speed` times as fast: float32 [samples]."""
    wave = draw(math.ceil(samples * speed) + 1)
    played = soxr.resample(wave, speed * SPEEDS, SPEEDS)[:samples]
    return np.pad(played, (0, samples - len(played))).astype(np.float32, copy=False)
