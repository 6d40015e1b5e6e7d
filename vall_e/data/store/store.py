"""Reading a store: a handful of reads an utterance, whatever the store's size, from one file or many."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vall_e.data.utterance import Utterance

from .open_shards import OpenShards
from .similar_file import Indices, SimilarFile
from .store_file import StoreFile
from .store_format import SMALL_COLUMNS, TEXTS, StoreInfo

# What a store takes along to another process.
KEPT = ("info", "frames")


class Store:
    """A read-only store of utterances: one file, or an index of shards, each opened when a row of it is read.

    Files are opened at the first read, once in every process: a store may be pickled, or inherited by a forked
    worker, and still reads. A file that is missing, foreign, damaged or of another version is a DataError.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._owner = 0
        self._file: StoreFile | None = None
        self._similar: SimilarFile | None = None
        self._shards = OpenShards(self.path)

    @cached_property
    def info(self) -> StoreInfo:
        """Codec, counts and the names that the small columns point into."""
        return self._open().info

    def __len__(self) -> int:
        return self.info.utterances

    @cached_property
    def frames(self) -> npt.NDArray[np.int64]:
        """Code frames of every utterance, int64 [n]; read whole at the first use."""
        return np.diff(self._open().whole("codes_offsets"))

    def phoneme_bytes(self) -> npt.NDArray[np.int32]:
        """Bytes of the phonemes of every utterance in UTF-8: int32 [n]."""
        return self._open().phoneme_bytes()

    @property
    def content_crc32(self) -> int:
        """What the content is recognised by: the CRC-32 of all fingerprints."""
        return self._open().content_crc32

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of the small columns `speaker`, `language`, `split`, `fingerprint`, whole: [n]."""
        if name not in SMALL_COLUMNS:
            raise KeyError(name)
        return self._open().whole(name)

    def codes(self, row: int) -> npt.NDArray[np.int16]:
        """Codes of one utterance: int16 [T, Q]."""
        file, row = self._file_of(row)
        return file.codes(row)

    def text(self, name: str, row: int) -> str:
        """One of the texts `id`, `text`, `phonemes` of one utterance."""
        file, row = self._file_of(row)
        return file.texts(row)[TEXTS.index(name)]

    def utterance(self, row: int) -> Utterance:
        """Everything about one utterance; IndexError if there is no such row."""
        file, row = self._file_of(row)
        return file.utterance(row)

    def similar(self, row: int) -> Indices:
        """Rows of the store similar to `row`, nearest first, -1 where there is none: int32 [k].

        DataError if none have been written for this content by `write_similar`.
        """
        self._open()
        if self._similar is None:
            self._similar = SimilarFile(self.path, self.content_crc32)
        return self._similar.indices(row)

    def close(self) -> None:
        """Close this process's files; a later read opens them again."""
        if self._owner == os.getpid():
            for file in (self._file, self._similar, self._shards):
                if file is not None:
                    file.close()
        self._forget_files()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, **{name: value for name, value in self.__dict__.items() if name in KEPT}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_files()

    def _forget_files(self) -> None:
        self._owner = 0
        self._file = self._similar = None
        self._shards = OpenShards(self.path)

    def _open(self) -> StoreFile:
        # Files inherited over fork() are left alone: closing them here would disturb the parent's.
        if self._file is None or self._owner != os.getpid():
            self._forget_files()
            self._file, self._owner = StoreFile(self.path), os.getpid()
        return self._file

    def _file_of(self, row: int) -> tuple[StoreFile, int]:
        """The file that holds a row of the store, and the row's number in it."""
        file = self._open()
        if not file.info.shards:
            return file, row
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        number = int(np.searchsorted(self._shard_ends, row, side="right"))
        first = int(self._shard_ends[number - 1]) if number else 0
        return self._shards.file(number, self.info.shards[number]), row - first

    @cached_property
    def _shard_ends(self) -> npt.NDArray[np.int64]:
        return np.cumsum([shard.utterances for shard in self.info.shards])
