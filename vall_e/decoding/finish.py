"""Why level 0 of a response ends, and what ends it if the model does not."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from vall_e.config.sampling import SamplingConfig

LONGEST_PERIOD = 16
"""Frames of a cycle that counts as a loop; silence has a period of one or a few."""
PAUSE = 75
"""Frames that every text may take beside those of its tokens."""


class Finish(Enum):
    """Why a response ends."""

    stop = "the model said so"
    length = "it was as long as it may be"
    loop = "it repeated itself"


class Guard:
    """Watches the codes of one request while they are said."""

    def __init__(self, sampling: SamplingConfig, tokens: int) -> None:
        self._longest_loop = sampling.longest_loop
        self._longest = sampling.max_duration
        if sampling.frames_per_token:
            self._longest = min(self._longest, PAUSE + round(sampling.frames_per_token * tokens))

    def verdict(self, codes: Sequence[int]) -> Finish | None:
        """What ends a response that has these codes of level 0 already, or None."""
        if len(codes) >= self._longest:
            return Finish.length
        return Finish.loop if period(codes, self._longest_loop) else None

    def kept(self, codes: Sequence[int]) -> list[int]:
        """Codes without the repetitions that they end with."""
        cycle = period(codes, self._longest_loop)
        return list(codes[: len(codes) - self._longest_loop + cycle] if cycle else codes)


def period(codes: Sequence[int], span: int) -> int:
    """Frames of the shortest cycle that the last `span` codes consist of; 0 if there is none."""
    if not span or len(codes) < span:
        return 0
    periods = [n for n in range(1, min(LONGEST_PERIOD, span // 2) + 1) if codes[-1 - n] == codes[-1]]
    tail = codes[-span:]
    return next((n for n in periods if tail[n:] == tail[:-n]), 0)
