"""Another loudness."""

from __future__ import annotations

import numpy as np

from vall_e.audio.read import Wave


def with_gain(wave: Wave, decibels: float) -> Wave:
    """The wave, louder by `decibels`; no louder than full scale, so that nothing is clipped."""
    peak = float(np.abs(wave).max(initial=1e-9))
    louder: Wave = wave * np.float32(min(10 ** (decibels / 20), 1 / peak))
    return louder
