"""Columns of a store of version 1: chunked datasets that the HDF5 library unpacks, and checks by their Fletcher-32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt


class ChunkedFile:
    """The same reading as `ColumnFile`. What h5py raises for damage is raised as OSError."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r", locking=False)
        self.attributes: dict[str, Any] = dict(self._file.attrs)

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

    def close(self) -> None:
        """Close the file."""
        self._file.close()
