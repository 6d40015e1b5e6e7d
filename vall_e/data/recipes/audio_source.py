"""Where the sound of an utterance lies."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int16]


class AudioSource(Protocol):
    """A recording in a file, or within a larger one."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    def size(self) -> int:
        """Bytes of it, by which a changed recording is told; -1 if it cannot be reached."""
        ...

    def open(self) -> Path | BytesIO:
        """What libsndfile is to read; AudioError if it cannot be reached."""
        ...


@runtime_checkable
class CodesSource(Protocol):
    """Codes that another program made, in place of a recording."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    def size(self) -> int:
        """Bytes of it, by which changed codes are told; -1 if they cannot be reached."""
        ...

    def codes(self) -> Codes:
        """int16 [T, Q]; DataError if they cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file of its own."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def size(self) -> int:
        """Bytes of the file."""
        return file_size(self.path)

    def open(self) -> Path:
        """The file itself."""
        return self.path


def file_size(path: Path) -> int:
    """Bytes of a file, -1 if it cannot be reached."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
