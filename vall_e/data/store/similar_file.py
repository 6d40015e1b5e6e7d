"""Which utterances of a store sound alike, in a file beside it.

    indices   int32   [N, k], rows of the store, nearest first; -1 where there is none
    scores    float16 [N, k], their similarity

Attributes: format, version, store (the checksum of the store's content; beside another content they are refused).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vall_e.errors import DataError

from .column_file import ColumnFile

FORMAT = "vall_e.similar"
VERSION = 1

Indices = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float16]


def similar_path(store_path: Path) -> Path:
    """The file that belongs to a store: `data.similar.h5` beside `data.h5`."""
    return store_path.with_name(f"{store_path.stem}.similar{store_path.suffix}")


class SimilarFile:
    """The similar utterances of a store. DataError if there are none, or they are of another content of the store."""

    def __init__(self, store_path: Path, content_crc32: int) -> None:
        self.path = similar_path(store_path)
        if not self.path.is_file():
            raise DataError(f"{self.path} does not exist: similar utterances of {store_path} have not been looked for")
        try:
            self._columns = ColumnFile(self.path)
            known = (self._columns.attributes["format"], int(self._columns.attributes["version"])) == (FORMAT, VERSION)
            current = int(self._columns.attributes["store"]) == content_crc32
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DataError(f"{self.path} is damaged ({error}): look for similar utterances again") from error
        if not known or not current:
            raise DataError(f"{self.path} belongs to another state of {store_path}: look for similar utterances again")

    def indices(self, row: int) -> Indices:
        """Rows similar to `row`, nearest first, -1 where there is none: int32 [k]."""
        found: Indices = self._columns.read("indices", row, row + 1)[0]
        return found

    def scores(self, row: int) -> Scores:
        """Similarity of each: float16 [k]."""
        found: Scores = self._columns.read("scores", row, row + 1)[0]
        return found

    def damaged_columns(self) -> list[str]:
        """Columns whose checksum does not hold."""
        return [name for name in self._columns.columns if not self._columns.intact(name)]

    def close(self) -> None:
        """Close the file."""
        self._columns.close()
