"""Writing files of columns: values gather in one plain file a column, which become one HDF5 file at the end."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from .column_file import BLOCK_BYTES, PIECE_BYTES, Place, rest_crc32, user_block

RowKind = tuple[str, tuple[int, ...]]
"""dtype and shape of a row."""


class Gathered:
    """Values of one column, in a plain file until it is complete."""

    def __init__(self, path: Path, dtype: str, row_shape: tuple[int, ...] = ()) -> None:
        self.dtype, self.row_shape = np.dtype(dtype), row_shape
        self.rows = self.crc32 = 0
        self._path = path
        self._file: BinaryIO = path.open("wb")

    def extend(self, values: npt.ArrayLike) -> None:
        """Add rows."""
        rows = np.ascontiguousarray(values, self.dtype).reshape(-1, *self.row_shape)
        self.rows += len(rows)
        self.crc32 = zlib.crc32(rows.data, self.crc32)
        self._file.write(rows.tobytes())

    def close(self) -> None:
        """Close the plain file."""
        self._file.close()

    def copy_to(self, file: h5py.File, name: str) -> None:
        """Make a dataset of the rows."""
        self.close()
        dataset = file.create_dataset(name, (self.rows, *self.row_shape), self.dtype)
        step = max(1, PIECE_BYTES // max(1, self.dtype.itemsize * int(np.prod(self.row_shape))))
        with self._path.open("rb") as gathered:
            for start in range(0, self.rows, step):
                stop = min(start + step, self.rows)
                values = np.fromfile(gathered, self.dtype, (stop - start) * int(np.prod(self.row_shape)))
                dataset[start:stop] = values.reshape(-1, *self.row_shape)
        dataset.attrs["crc32"] = np.uint32(self.crc32)


class ColumnFileWriter:
    """Columns of the file `path`, which appears, or is replaced, at `commit` alone."""

    def __init__(self, path: Path, columns: Mapping[str, RowKind]) -> None:
        self.path = path
        self._folder = path.with_name(f".{path.name}.partial")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self.columns = {name: Gathered(self._folder / name, *of) for name, of in columns.items()}

    def commit(self, attributes: Mapping[str, Any]) -> None:
        """Write the file; it takes its name when it is complete and on the disk."""
        made = self._folder / "complete.h5"
        # From format v110 on, attributes may be longer than 64 KiB: a list of many speakers is.
        with h5py.File(made, "w", userblock_size=BLOCK_BYTES, libver=("v110", "v110")) as file:
            for name, column in self.columns.items():
                column.copy_to(file, name)
            file.attrs.update(attributes)
        with h5py.File(made, "r") as file:
            places = [_place(dataset) for dataset in file.values() if dataset.size]
        with made.open("r+b") as content:
            content.write(user_block(places, rest_crc32(made, places)))
            os.fsync(content.fileno())
        made.replace(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what was gathered."""
        for column in self.columns.values():
            column.close()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def writing_columns(path: Path, columns: Mapping[str, RowKind]) -> Iterator[ColumnFileWriter]:
    """A writer that leaves nothing behind when the block ends in an error; else the block commits."""
    writer = ColumnFileWriter(path, columns)
    try:
        yield writer
    finally:
        writer.discard()


def _place(dataset: h5py.Dataset) -> Place:
    return dataset.id.get_offset(), dataset.id.get_storage_size()
