"""A WAV stream whose length is not known when it begins, for a pipe."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from .read import Wave

ENDLESS = 0xFFFFFFFF
"""The length that players take as until the end."""


class WavStream:
    """16-bit mono WAV, written as it comes."""

    def __init__(self, file: BinaryIO, sample_rate: int) -> None:
        self._file = file
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
        file.write(struct.pack("<4sI4s", b"RIFF", ENDLESS, b"WAVE") + form + struct.pack("<4sI", b"data", ENDLESS))
        file.flush()

    def write(self, wave: Wave) -> None:
        """Samples float32 [N] in -1..1; what exceeds the range is clipped."""
        self._file.write((np.clip(wave, -1, 1) * 32767).round().astype("<i2").tobytes())
        self._file.flush()
