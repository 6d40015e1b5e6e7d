"""What a metric looks at: an original and what a codec made of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import soxr

from vall_e.audio.read import Wave


@dataclass(frozen=True, eq=False)
class Pair:
    """Two waves float32 [N] in -1..1 of the same length; text and language are None where they are not known."""

    original: Wave
    decoded: Wave
    sample_rate: int
    text: str | None = None
    language: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the original is: then there is nothing that a codec could keep."""
        return not self.original.any()

    @cached_property
    def at_16_khz(self) -> tuple[Wave, Wave]:
        """Original and decoded as models of speech want them, clipped to -1..1."""
        return _resampled(self.original, self.sample_rate), _resampled(self.decoded, self.sample_rate)


def paired(
    original: Wave, decoded: Wave, sample_rate: int, text: str | None = None, language: str | None = None
) -> Pair:
    """A pair as a listener gets it: cut to the shorter, and what exceeds the range of -1..1 is clipped."""
    length = min(len(original), len(decoded))
    first, second = (np.clip(wave[:length], -1, 1) for wave in (original, decoded))
    return Pair(first, second, sample_rate, text, language)


def _resampled(wave: Wave, sample_rate: int) -> Wave:
    resampled: Wave = np.clip(soxr.resample(wave, sample_rate, 16_000), -1, 1).astype(np.float32)
    return resampled
