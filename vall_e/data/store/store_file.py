"""One file of a store, in this process."""

from __future__ import annotations

import zlib
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt

from vall_e.data.utterance import Utterance
from vall_e.errors import DataError

from .chunked_file import ChunkedFile
from .column_file import ColumnFile, has_columns
from .store_format import CHUNKED_VERSION, FORMAT, TEXTS, VERSION, StoreInfo, read_info

# What h5py raises for damaged files, and what damaged attributes raise when they are parsed.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)

FOUR_OFFSETS = Struct("<4q")


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

    def phoneme_bytes(self) -> npt.NDArray[np.int32]:
        """How long the phonemes of every row are in UTF-8: int32 [n]."""
        if not self.verifies:
            return np.diff(self.whole("phonemes_offsets")).astype(np.int32)
        return self.whole("phoneme_bytes")

    def codes(self, row: int) -> npt.NDArray[np.int16]:
        """Codes of one row: int16 [T, Q]."""
        start, stop = self._offsets[self._known(row) : row + 2].tolist()
        try:
            codes = self._columns.read("codes", start, stop)
            self._verify(0, row, zlib.crc32(codes.data))
        except DAMAGE as error:
            raise self.damaged(error) from error
        return codes

    def texts(self, row: int) -> tuple[str, str, str]:
        """Id, text and phonemes of one row."""
        try:
            id_, text, phonemes = (content.decode("utf-8") for content in self._texts(self._known(row)))
        except DAMAGE as error:
            raise self.damaged(error) from error
        return id_, text, phonemes

    def utterance(self, row: int) -> Utterance:
        """Everything about one row; IndexError if there is no such row."""
        id_, text, phonemes = self.texts(row)
        return Utterance(
            id=id_,
            speaker=self._name(self.info.speakers, "speaker", row),
            split=self._name(self.info.splits, "split", row),
            language=self._name(self.info.languages, "language", row),
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

    @cached_property
    def _offsets(self) -> npt.NDArray[np.int64]:
        return self.whole("codes_offsets")

    @cached_property
    def _checksums(self) -> npt.NDArray[np.uint32]:
        # Not verified as a whole: a damaged checksum costs its own row alone.
        return self._columns.read("checksums", 0, self.info.utterances)

    @cached_property
    def _numbers(self) -> dict[str, npt.NDArray[Any]]:
        return {name: self.whole(name) for name in ("speaker", "split", "language")}

    def _known(self, row: int) -> int:
        if not 0 <= row < self.info.utterances:
            raise IndexError(f"row {row} of {self.info.utterances}")
        return row

    def _name(self, names: tuple[str, ...], column: str, row: int) -> str:
        number = int(self._numbers[column][row])
        if not 0 <= number < len(names):
            raise self.damaged(OSError(f"{column} {number} of row {row} has no name"))
        return names[number]

    def _texts(self, row: int) -> list[bytes]:
        if not isinstance(self._columns, ColumnFile):
            return [self._chunked_text(name, row) for name in TEXTS]
        bounds = FOUR_OFFSETS.unpack(self._columns.content("texts_offsets", 3 * row, 3 * row + 4))
        content = self._columns.content("texts", bounds[0], bounds[3])
        self._verify(1, row, zlib.crc32(content))
        return [content[start - bounds[0] : stop - bounds[0]] for start, stop in pairwise(bounds)]

    def _chunked_text(self, name: str, row: int) -> bytes:
        start, stop = self._columns.read(f"{name}_offsets", row, row + 2).tolist()
        return self._columns.read(name, start, stop).tobytes()

    def _verify(self, which: int, row: int, crc32: int) -> None:
        if self.verifies and self._checksums[row, which] != crc32:
            raise OSError(f"the checksum of the {('codes', 'texts')[which]} of row {row} does not hold")


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
