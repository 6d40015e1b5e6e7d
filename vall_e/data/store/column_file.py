"""HDF5 files of plain columns, which are read by position, past the HDF5 library.

Every dataset lies in one piece, uncompressed, so rows are one read from the system each. The user block before the HDF5
content is a line of JSON that tells where the columns lie, and the CRC-32 of all that lies between them. Every dataset
has the CRC-32 of its own bytes as the attribute `crc32`. So no byte of the file is without a checksum, and damaged
metadata never reaches the HDF5 library. Other programs read the file as ordinary HDF5.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

MAGIC = "vall_e columns"
BLOCK_BYTES = 2048
PIECE_BYTES = 1 << 24

Place = tuple[int, int]
"""Where a column lies in the file: first byte, number of bytes."""


@dataclass(frozen=True)
class Column:
    """One column: where it starts, its rows, and the CRC-32 of its bytes."""

    start: int
    rows: int
    row_shape: tuple[int, ...]
    row_bytes: int
    dtype: np.dtype[Any]
    crc32: int

    @property
    def place(self) -> Place:
        """Where its bytes lie."""
        return self.start, self.rows * self.row_bytes


class ColumnFile:
    """The columns and attributes of one file, read-only. OSError if it is not whole, or not such a file."""

    def __init__(self, path: Path) -> None:
        told = checked_places(path)
        # Nobody writes to a finished file, and network folders often cannot lock.
        with h5py.File(path, "r", locking=False) as file:
            self.attributes: dict[str, Any] = dict(file.attrs)
            self.columns = {name: _column(file, name) for name in file}
        if {column.place for column in self.columns.values() if column.rows} != told:
            raise OSError("its first bytes tell other columns than it has")
        self._file = path.open("rb", buffering=0)

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows `start` to `stop` of a column, which may be written to; OSError if the file has no such rows."""
        content = bytearray(self.content(name, start, stop))
        column = self.columns[name]
        values = np.frombuffer(content, column.dtype) if content else np.empty(0, column.dtype)
        return values.reshape(stop - start, *column.row_shape)

    def content(self, name: str, start: int, stop: int) -> bytes:
        """The bytes of rows `start` to `stop`."""
        column = self.columns[name]
        if not 0 <= start <= stop <= column.rows:
            raise OSError(f"{name} has {column.rows} rows, not {start} to {stop}")
        size = (stop - start) * column.row_bytes
        content = os.pread(self._file.fileno(), size, column.start + start * column.row_bytes)
        if len(content) != size:
            raise OSError(f"the file ends within {name}")
        return content

    def whole(self, name: str) -> npt.NDArray[Any]:
        """A column from its first row to its last; OSError if its checksum does not hold."""
        values = self.read(name, 0, self.columns[name].rows)
        if zlib.crc32(values.data) != self.columns[name].crc32:
            raise OSError(f"the checksum of {name} does not hold")
        return values

    def intact(self, name: str) -> bool:
        """Whether a column can be read and its checksum holds; it is read in pieces."""
        column = self.columns[name]
        step = max(1, PIECE_BYTES // column.row_bytes)
        crc = 0
        try:
            for start in range(0, column.rows, step):
                crc = zlib.crc32(self.read(name, start, min(start + step, column.rows)).data, crc)
        except OSError:
            return False
        return crc == column.crc32

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def has_columns(path: Path) -> bool:
    """Whether a file claims to be one of columns."""
    with path.open("rb") as file:
        return MAGIC.encode() in file.read(len(MAGIC) + 16)


def checked_places(path: Path) -> set[Place]:
    """Where the columns lie; OSError unless the user block and all that lies between them are as they were written."""
    with path.open("rb") as file:
        block = file.read(BLOCK_BYTES)
    try:
        told = json.loads(block.rstrip(b"\0"))
        places = [(int(start), int(size)) for start, size in told["data"]]
        whole = block == user_block(places, told["crc32"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError("its first bytes cannot be read") from error
    if not whole or rest_crc32(path, places) != told["crc32"]:
        raise OSError("the checksum of its metadata does not hold")
    return set(places)


def user_block(places: Sequence[Place], crc32: int) -> bytes:
    """The bytes before the HDF5 content."""
    line = json.dumps({"format": MAGIC, "crc32": crc32, "data": [list(place) for place in places]}) + "\n"
    return line.encode().ljust(BLOCK_BYTES, b"\0")


def rest_crc32(path: Path, places: Sequence[Place]) -> int:
    """CRC-32 of all bytes behind the user block that belong to no column."""
    crc, at, end = 0, BLOCK_BYTES, path.stat().st_size
    with path.open("rb") as file:
        for start, size in [*sorted(places), (end, 0)]:
            for piece in _pieces(at, min(start, end)):
                file.seek(piece.start)
                crc = zlib.crc32(file.read(len(piece)), crc)
            at = max(at, start + size)
    return crc


def _pieces(start: int, stop: int) -> Iterator[range]:
    for first in range(start, stop, PIECE_BYTES):
        yield range(first, min(first + PIECE_BYTES, stop))


def _column(file: h5py.File, name: str) -> Column:
    # A link to another file is not followed.
    dataset = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or (dataset.size and dataset.id.get_offset() is None):
        raise OSError(f"{name} is no column")
    rows, *row_shape = dataset.shape
    start, row_bytes = dataset.id.get_offset() or 0, prod(row_shape) * dataset.dtype.itemsize
    return Column(start, rows, tuple(row_shape), row_bytes, dataset.dtype, int(dataset.attrs["crc32"]))
