"""WAV files that end before the length in their header, as an interrupted copy leaves them."""

from __future__ import annotations

import struct
from pathlib import Path

STREAMED = 0x7FFFF000
"""Lengths from here on, and 0, are those of a program that could not know how long its output would be."""

MOST_CHUNKS = 1_000


def missing_bytes(path: Path) -> int:
    """Bytes of sound that a WAV file says it holds but does not; 0 for other files. OSError if it cannot be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or len(file.read(4)) != 4 or file.read(4) != b"WAVE":
            return 0
        for _ in range(MOST_CHUNKS):
            if len(head := file.read(8)) != 8:
                break
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                return 0 if not 0 < length < STREAMED else max(0, file.tell() + length - size)
            file.seek(length + length % 2, 1)
    return 0
