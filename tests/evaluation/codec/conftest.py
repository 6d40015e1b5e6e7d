"""Real speech, and what the shipped codec makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import vall_e
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.read import Wave, read_audio
from vall_e.evaluation.codec.metrics.pair import Pair, paired

SAMPLE = Path(vall_e.__file__).parent / "sample"
TEXT = "She can drink skimmed milk but should avoid butter."


def spoken(name: str, sample_rate: int = 24_000) -> Wave:
    return read_audio(SAMPLE / "kokoro" / f"{name}.ogg", sample_rate)


@pytest.fixture(scope="session")
def original() -> Wave:
    """What says TEXT."""
    return spoken("af_bella/03754")


@pytest.fixture(scope="session")
def pairs(original: Wave) -> dict[int, Pair]:
    """The original and its first levels by their number; 0 is the original again."""
    codec = BuiltinCodec(SHIPPED_WEIGHTS, torch.device("cpu"))
    codes = codec.encode(torch.from_numpy(original))
    waves = {levels: codec.decode(codes[:, :levels]).numpy() for levels in (1, 8)} | {0: original}
    return {levels: paired(original, wave, 24_000, TEXT, "en-us") for levels, wave in waves.items()}
