"""One file of a store, in this process."""

from __future__ import annotations

import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vall_e.errors import DataError

from .chunked_file import ChunkedFile
from .column_file import ColumnFile, has_columns
from .store_format import CHUNKED_VERSION, FORMAT, RAGGED_TEXT, VERSION, StoreInfo, read_info
from .utterance import Utterance

# What h5py raises for damaged files, and what damaged attributes raise when they are parsed.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)


class StoreFile:
    """A store in one file, a shard, or an index of shards. DataError if it is missing, foreign, damaged or of another
    version. Rows are verified as they are read, where `verifies` holds: version 1 has no checksums of rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns = _open_columns(path)
        self.verifies = isinstance(self._columns, ColumnFile)
        try:
            self.info: StoreInfo = read_info(self._columns.attributes)
        except DAMAGE as error:
            raise self.damaged(error) from error

    @cached_property
    def content_crc32(self) -> int:
        """What the file is recognised by: the CRC-32 of its fingerprints."""
        return zlib.crc32(self.whole("fingerprint").data)

    def whole(self, name: str) -> npt.NDArray[Any]:
        """One of the columns whose rows are numbers, from first row to last."""
        try:
            return self._columns.whole(name)
        except DAMAGE as error:
            raise self.damaged(error) from error

    def damaged_columns(self) -> list[str]:
        """Columns that cannot be read, or whose checksum does not hold."""
        return [name for name in self._columns.columns if not self._columns.intact(name)]

    def codes(self, row: int) -> npt.NDArray[np.int16]:
        """Codes of one row: int16 [T, Q]."""
        codes: npt.NDArray[np.int16] = self._ragged("codes", row)
        self._verify("codes_crc32", row, zlib.crc32(codes.data))
        return codes

    def texts(self, row: int) -> tuple[str, str, str]:
        """Id, text and phonemes of one row."""
        crc, found = 0, []
        for name in RAGGED_TEXT:
            content = self._ragged(name, row).tobytes()
            crc = zlib.crc32(content, crc)
            found.append(content)
        self._verify("texts_crc32", row, crc)
        try:
            id_, text, phonemes = (content.decode("utf-8") for content in found)
        except UnicodeDecodeError as error:
            raise self.damaged(error) from error
        return id_, text, phonemes

    def utterance(self, row: int) -> Utterance:
        """Everything about one row; IndexError if there is no such row."""
        id_, text, phonemes = self.texts(row)
        return Utterance(
            id=id_,
            speaker=self._named(self.info.speakers, "speaker", row),
            split=self._named(self.info.splits, "split", row),
            language=self._named(self.info.languages, "language", row),
            text=text,
            phonemes=phonemes,
            codes=self.codes(row),
        )

    def damaged(self, error: Exception) -> DataError:
        """What to tell the user of an error met within the file."""
        return DataError(f"{self.path} is damaged ({error}): remove it and run python -m vall_e.prepare again")

    def close(self) -> None:
        """Close the file."""
        self._columns.close()

    def _named(self, names: tuple[str, ...], column: str, row: int) -> str:
        number = int(self._rows(column, row, row + 1)[0])
        if not 0 <= number < len(names):
            raise self.damaged(OSError(f"{column} {number} of row {row} has no name"))
        return names[number]

    def _ragged(self, name: str, row: int) -> npt.NDArray[Any]:
        if not 0 <= row < self.info.utterances:
            raise IndexError(f"row {row} of {self.info.utterances}")
        start, stop = self._rows(f"{name}_offsets", row, row + 2).tolist()
        return self._rows(name, start, stop)

    def _rows(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        try:
            return self._columns.read(name, start, stop)
        except DAMAGE as error:
            raise self.damaged(error) from error

    def _verify(self, name: str, row: int, crc32: int) -> None:
        if self.verifies and int(self._rows(name, row, row + 1)[0]) != crc32:
            raise self.damaged(OSError(f"the {name} of row {row} does not hold"))


def _open_columns(path: Path) -> ColumnFile | ChunkedFile:
    if not path.is_file():
        raise DataError(f"{path} does not exist: python -m vall_e.prepare dataset=... makes it")
    try:
        columns = ColumnFile(path) if has_columns(path) else ChunkedFile(path)
    except DAMAGE as error:
        raise DataError(f"{path} is not an HDF5 file, or is damaged ({error})") from error
    format_, version = columns.attributes.get("format"), columns.attributes.get("version")
    if format_ == FORMAT and version == (VERSION if isinstance(columns, ColumnFile) else CHUNKED_VERSION):
        return columns
    columns.close()
    if format_ != FORMAT:
        raise DataError(f"{path} is HDF5, but no dataset made by vall_e.prepare: name another with dataset.hdf5_name")
    if version == VERSION:
        raise DataError(f"{path} is damaged (its first bytes were overwritten): run python -m vall_e.prepare again")
    raise DataError(
        f"{path} is a dataset of version {version}, this program reads versions up to {VERSION}: prepare it again"
    )
