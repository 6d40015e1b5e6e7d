"""Recordings of hours in stretches that memory holds one at a time, cut where it is quiet."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from vall_e.errors import AudioError

from .gathering import Gathering
from .read import LONGEST_SECONDS, Wave, audio_blocks

FRAME_SECONDS = 0.02
PAUSE_FRAMES = 25
"""How long it is to be quiet around a cut: half a second."""


def read_stretches(
    source: Path | BytesIO, sample_rate: int, seconds: float, within: float, longest: float = LONGEST_SECONDS
) -> Iterator[Wave]:
    """The recording that `read_audio` reads, in waves float32 [N] of at most `seconds` that follow each other.

    Each but the last ends where it is quietest in its last `within` seconds. Errors are those of `read_audio`, and come
    when they are met.
    """
    most, window = round(seconds * sample_rate), round(within * sample_rate)
    gathering = Gathering(sample_rate, most)
    try:
        for block in audio_blocks(source, longest=longest):
            gathering.add(block)
            while len(gathering) > most:
                yield gathering.take(quietest(gathering.gathered()[:most], sample_rate, window))
        yield from _last(gathering, most, sample_rate, window)
    except MemoryError as error:
        raise AudioError(f"{source}: is too long for the memory there is") from error


def _last(gathering: Gathering, most: int, sample_rate: int, window: int) -> Iterator[Wave]:
    gathering.finish()  # the last samples come out of the resampler
    while len(gathering) > most:
        yield gathering.take(quietest(gathering.gathered()[:most], sample_rate, window))
    yield gathering.gathered()


def quietest(wave: Wave, sample_rate: int, window: int) -> int:
    """The sample in the last `window` ones of float32 [N] around which it is quietest, the latest if there are several;
    N if it is too short to tell."""
    hop = max(1, round(FRAME_SECONDS * sample_rate))
    frames = min(window, len(wave)) // hop
    if frames <= PAUSE_FRAMES:
        return len(wave)
    first = len(wave) - frames * hop
    energy = np.square(wave[first:].reshape(frames, hop), dtype=np.float64).mean(axis=1)
    pauses = np.convolve(np.nan_to_num(energy), np.ones(PAUSE_FRAMES), "valid")
    latest = len(pauses) - 1 - int(np.argmin(pauses[::-1]))
    return first + latest * hop + PAUSE_FRAMES * hop // 2
