"""Where speech begins and ends, by loudness."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FRAME_SECONDS = 0.02
BEFORE_SECONDS, AFTER_SECONDS = 0.05, 0.15
"""What is left around speech: plosives begin, and vowels fade, below the threshold."""


def speech_span(wave: npt.NDArray[np.float32], sample_rate: int, silence_db: float) -> tuple[float, float] | None:
    """Seconds (from, to) of float32 [N] outside which every frame is `silence_db` below the loudest; None if all is
    silent, or not of finite numbers."""
    loudness = _loudness(wave, max(1, round(FRAME_SECONDS * sample_rate)))
    loudest = float(loudness.max(initial=0.0))
    if not loudest or not np.isfinite(loudest):
        return None
    (loud,) = np.nonzero(loudness >= loudest * 10 ** (-silence_db / 10))
    start = loud[0] * FRAME_SECONDS - BEFORE_SECONDS
    end = (loud[-1] + 1) * FRAME_SECONDS + AFTER_SECONDS
    return max(0.0, round(float(start), 4)), min(len(wave) / sample_rate, round(float(end), 4))


def _loudness(wave: npt.NDArray[np.float32], hop: int) -> npt.NDArray[np.float64]:
    """The mean square of every frame, the last filled up with silence, without a copy of a wave that may last hours."""
    whole = len(wave) // hop * hop
    frames, rest = wave[:whole].reshape(-1, hop), wave[None, whole:]
    sums = [np.einsum("th,th->t", part, part, dtype=np.float64) for part in (frames, rest) if part.size]
    return np.concatenate([*sums, np.zeros(0)]) / hop
