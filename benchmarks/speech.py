"""Batches of random codes and text, as long as real speech."""

from __future__ import annotations

import numpy as np

from vall_e.data.sample import Sample

RATE = 75


def batch(size: int, seconds: tuple[float, float], seed: int) -> list[Sample]:
    """`size` samples with prompts of 3 s and responses of a length drawn from `seconds`."""
    draw = np.random.default_rng(seed)
    return [sample(draw, int(draw.uniform(*seconds) * RATE)) for _ in range(size)]


def sample(draw: np.random.Generator, frames: int) -> Sample:
    """A sample of so many frames, and one token for every six."""
    codes = draw.integers(0, 1024, (frames + 3 * RATE, 8)).astype(np.int16)
    tokens = draw.integers(3, 100, max(4, frames // 6)).astype(np.int64)
    return Sample(
        task="tts",
        utterance="u",
        speaker="g/s",
        language="en",
        text="",
        tokens=tokens,
        prompt=codes[: 3 * RATE],
        response=codes[3 * RATE :],
    )
