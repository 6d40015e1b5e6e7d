"""Columns of a store of version 1: chunked datasets that the HDF5 library unpacks, and checks by their Fletcher-32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt

PIECE_ROWS = 1 << 20


class ChunkedFile:
    """The same reading as `ColumnFile`. What h5py raises for damage is raised as OSError."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r", locking=False)
        self.attributes: dict[str, Any] = dict(self._file.attrs)
        self.columns = tuple(self._file)

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows `start` to `stop` of a column."""
        try:
            values: npt.NDArray[Any] = self._file[name][start:stop]
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise OSError(f"{name}: {error}") from error
        return values

    def whole(self, name: str) -> npt.NDArray[Any]:
        """A column from its first row to its last."""
        return self.read(name, 0, len(self._file[name]))

    def intact(self, name: str) -> bool:
        """Whether a column can be read; it is, in pieces."""
        try:
            for start in range(0, len(self._file[name]), PIECE_ROWS):
                self.read(name, start, start + PIECE_ROWS)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
