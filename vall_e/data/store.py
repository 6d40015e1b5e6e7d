"""Reading a store: a handful of slices an utterance, whatever the store's size."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vall_e.audio.codec import CodecIdentity
from vall_e.errors import DataError

from .store_format import FORMAT, SMALL_COLUMNS, VERSION, StoreInfo
from .utterance import Utterance

# What h5py raises for damaged files, and what damaged attributes raise when they are parsed.
H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


class Store:
    """A read-only store of utterances.

    The file is opened at the first read, once in every process: a store may be pickled, or inherited by a forked
    worker, and still reads. A file that is missing, foreign, damaged or of another version is a DataError.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._owner = 0

    @cached_property
    def info(self) -> StoreInfo:
        """Codec, counts and the names that the small columns point into."""
        file = self._open()
        try:
            return StoreInfo(
                codec=CodecIdentity(**json.loads(file.attrs["codec"])),
                utterances=int(file.attrs["utterances"]),
                hours=float(file.attrs["hours"]),
                speakers=tuple(json.loads(file.attrs["speakers"])),
                languages=tuple(json.loads(file.attrs["languages"])),
                splits=tuple(json.loads(file.attrs["splits"])),
            )
        except H5_ERRORS as error:
            raise self._damaged(error) from error

    def __len__(self) -> int:
        return self.info.utterances

    @cached_property
    def frames(self) -> npt.NDArray[np.int64]:
        """Code frames of every utterance, int64 [n]; read whole at the first use."""
        return np.diff(self._array("codes_offsets", slice(None)))

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of the small columns `speaker`, `language`, `split`, `fingerprint`, whole: [n]."""
        if name not in SMALL_COLUMNS:
            raise KeyError(name)
        return self._array(name, slice(None))

    def codes(self, row: int) -> npt.NDArray[np.int16]:
        """Codes of one utterance: int16 [T, Q]."""
        return self._ragged("codes", row)

    def text(self, name: str, row: int) -> str:
        """One of the texts `id`, `text`, `phonemes` of one utterance."""
        return self._ragged(name, row).tobytes().decode("utf-8")

    def utterance(self, row: int) -> Utterance:
        """Everything about one utterance; IndexError if there is no such row."""
        info = self.info
        return Utterance(
            id=self.text("id", row),
            speaker=info.speakers[self._small("speaker", row)],
            split=info.splits[self._small("split", row)],
            language=info.languages[self._small("language", row)],
            text=self.text("text", row),
            phonemes=self.text("phonemes", row),
            codes=self.codes(row),
        )

    def close(self) -> None:
        """Close this process's handle; a later read opens the file again."""
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_owner": 0}

    def _small(self, name: str, row: int) -> int:
        return int(self._array(name, slice(row, row + 1))[0])

    def _ragged(self, name: str, row: int) -> npt.NDArray[Any]:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        start, stop = self._array(f"{name}_offsets", slice(row, row + 2))
        return self._array(name, slice(int(start), int(stop)))

    def _array(self, name: str, where: slice) -> npt.NDArray[Any]:
        try:
            values: npt.NDArray[Any] = self._open()[name][where]
        except H5_ERRORS as error:
            raise self._damaged(error) from error
        return values

    def _open(self) -> h5py.File:
        # A handle inherited over fork() is left alone: closing it here would disturb the parent's.
        if self._file is None or self._owner != os.getpid():
            self._file, self._owner = _open_checked(self.path), os.getpid()
        return self._file

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"{self.path} is damaged ({error}): remove it and run python -m vall_e.prepare again")


def _open_checked(path: Path) -> h5py.File:
    if not path.is_file():
        raise DataError(f"{path} does not exist: python -m vall_e.prepare dataset=... makes it")
    try:
        # Nobody writes to a finished store, and network folders often cannot lock.
        file = h5py.File(path, "r", locking=False)
        format_, version = file.attrs.get("format"), file.attrs.get("version")
    except H5_ERRORS as error:
        raise DataError(f"{path} is not an HDF5 file, or is damaged ({error})") from error
    if format_ == FORMAT and version == VERSION:
        return file
    file.close()
    if format_ != FORMAT:
        raise DataError(f"{path} is an HDF5 file, but no dataset made by vall_e.prepare: name another with dataset.hdf5_name")
    raise DataError(f"{path} is a dataset of version {version}, this program reads version {VERSION}: prepare it again")
