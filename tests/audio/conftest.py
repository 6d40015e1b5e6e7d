from __future__ import annotations

from pathlib import Path

import pytest
import torch

import vall_e
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.read import Wave, read_audio

SPEECH = Path(vall_e.__file__).parent / "sample" / "kokoro"


@pytest.fixture(scope="session")
def codec() -> BuiltinCodec:
    return BuiltinCodec(SHIPPED_WEIGHTS, torch.device("cpu"))


@pytest.fixture(scope="session")
def speech() -> Wave:
    """Two seconds of the packaged speech, float32 [48000]."""
    return read_audio(SPEECH / "af_nova" / "05495.ogg", 24_000)[:48_000]
