"""Batches of random codes and text, as long as real speech."""

from __future__ import annotations

import numpy as np

from vall_e.data.sample import Sample

RATE = 75
SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SECONDS = (1.0, 1.5, 1.94, 2.37, 2.96, 4.24, 9.37)
"""How long sentences are that were read aloud: of 4,700 a share of 0.05 is no longer than 1.5 s, and so on."""


def batch(size: int, seed: int) -> list[Sample]:
    """`size` samples with prompts of 3 s and responses as long as sentences are."""
    draw = np.random.default_rng(seed)
    return [sample(draw, int(np.interp(draw.uniform(), SHARES, SECONDS) * RATE)) for _ in range(size)]


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
