"""Vectors of utterances by fingerprint, in small files that several jobs write and the last of them reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vall_e.data.store.column_file import ColumnFile
from vall_e.data.store.column_writer import RowKind, writing_columns

log = logging.getLogger(__name__)

Features = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

JOINED = "joined"
ROWS_AT_ONCE = 4096


class VectorParts:
    """The files `WRITER-NUMBER.h5` in `folder`: columns `fingerprint` uint64 [n] and `vectors` float32 [n, D].

    A file that cannot be read is left out with a warning: its vectors are made again.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder, self._writer = folder, writer
        self._places: dict[int, tuple[Path, int]] = {}
        self._known: set[Path] = set()
        self._next_number = self._width = 0
        self.reload()

    def reload(self) -> None:
        """Take in what other jobs have written."""
        for part in sorted(self._folder.glob("*.h5")):
            if part not in self._known:
                self._take_in(part)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._places

    def add(self, fingerprints: Sequence[int], vectors: Features) -> None:
        """Write float32 [n, D] to a new file: they survive a kill from now on."""
        part = self._folder / f"{self._writer}-{self._next_number:06d}.h5"
        _write(part, fingerprints, vectors)
        self._take_in(part)

    @contextmanager
    def gathered(self, fingerprints: Sequence[int], scratch: Path) -> Iterator[Features]:
        """The vectors [n, D] of these fingerprints, in order, in a file of the folder `scratch` while the block lasts.

        KeyError if one has no vector.
        """
        scratch.mkdir(parents=True, exist_ok=True)
        path = scratch / "vectors.f32"
        shape = (len(fingerprints), self._width)
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for row, fingerprint in enumerate(fingerprints):
            part, place = self._places[fingerprint]
            wanted.setdefault(part, []).append((row, place))
        try:
            found: Features = np.memmap(path, np.float32, "w+", shape=shape)
            for part, pairs in wanted.items():
                rows, places = np.array(sorted(pairs, key=lambda pair: pair[1])).T
                _copy(part, places, found, rows)
            yield found
        finally:
            path.unlink(missing_ok=True)

    def join(self, fingerprints: Sequence[int], vectors: Features) -> None:
        """Keep these vectors [n, D] alone, in one file. Nobody else may be at work."""
        joined = self._folder / f"{JOINED}-000000.h5"
        _write(joined, fingerprints, vectors)
        for part in set(self._folder.glob("*.h5")) - {joined}:
            part.unlink()

    def _take_in(self, part: Path) -> None:
        self._known.add(part)
        writer, _, number = part.stem.rpartition("-")
        if writer == self._writer:
            self._next_number = max(self._next_number, int(number) + 1)
        try:
            with closing(ColumnFile(part)) as file:
                marks, (self._width,) = file.whole("fingerprint"), file.columns["vectors"].row_shape
        except (OSError, KeyError) as error:
            log.warning("Vectors %s of an earlier run are left out: %s", part, error)
            return
        self._places.update((mark, (part, row)) for row, mark in enumerate(marks.tolist()))


def _write(part: Path, fingerprints: Sequence[int], vectors: Features) -> None:
    columns: dict[str, RowKind] = {"fingerprint": ("uint64", ()), "vectors": ("float32", (vectors.shape[1],))}
    with writing_columns(part, columns) as writer:
        writer.columns["fingerprint"].extend(np.array(fingerprints, np.uint64))
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            writer.columns["vectors"].extend(vectors[start : start + ROWS_AT_ONCE])
        writer.commit({"format": "vall_e.vectors"})


def _copy(part: Path, places: Places, found: Features, rows: Places) -> None:
    """Make rows `rows` [n] of `found` those at `places` [n] of a file, which are in order."""
    with closing(ColumnFile(part)) as file:
        for start in range(0, file.columns["vectors"].rows, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, file.columns["vectors"].rows)
            first, last = np.searchsorted(places, (start, stop))
            if first < last:
                found[rows[first:last]] = file.read("vectors", start, stop)[places[first:last] - start]
