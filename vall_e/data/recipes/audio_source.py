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

    @property
    def file(self) -> Path | None:
        """The file by whose content a changed recording is told; None if its size alone tells."""
        ...

    def size(self) -> int:
        """Bytes of it; -1 if it cannot be reached."""
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

    @property
    def file(self) -> Path | None:
        """The file by whose content changed codes are told; None if their size alone tells."""
        ...

    def size(self) -> int:
        """Bytes of it; -1 if they cannot be reached."""
        ...

    def codes(self) -> Codes:
        """int16 [T, Q]; DataError if they cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class OwnFile:
    """What lies in a file of its own."""

    file: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.file)

    def size(self) -> int:
        """Bytes of the file."""
        return file_size(self.file)


@dataclass(frozen=True, slots=True)
class AudioFile(OwnFile):
    """A recording in a file of its own."""

    def open(self) -> Path:
        """The file itself."""
        return self.file


def file_size(path: Path) -> int:
    """Bytes of a file, -1 if it cannot be reached."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
