"""Writing a store: rows are appended to a temporary file that takes the store's name when it is complete."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vall_e.audio.codec import CodecIdentity

from .store_format import CHUNK_BYTES, CHUNK_FRAMES, CHUNK_ROWS, FORMAT, RAGGED_TEXT, SMALL_COLUMNS, VERSION
from .utterance import SPLITS, Utterance

FLUSH_ROWS = 256


class StoreWriter:
    """Context manager that makes the store `path` of the utterances it is given.

    Rows wait in memory and are written `FLUSH_ROWS` at a time. `path` appears, or is replaced, only when the block
    ends without an error.
    """

    def __init__(self, path: Path, codec: CodecIdentity) -> None:
        self.path = path
        self._codec = codec
        self._partial = path.with_name(f".{path.name}.partial")
        self._waiting: list[tuple[Utterance, int]] = []
        self._speakers: dict[str, int] = {}
        self._languages: dict[str, int] = {}
        self._file: h5py.File

    def append(self, utterance: Utterance, fingerprint: int) -> None:
        """Add one row."""
        self._waiting.append((utterance, fingerprint))
        if len(self._waiting) >= FLUSH_ROWS:
            self._flush()

    def __enter__(self) -> StoreWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # From format v110 on, attributes may be longer than 64 KiB: a list of many speakers is.
        self._file = h5py.File(self._partial, "w", libver=("v110", "v110"))
        _create_columns(self._file, self._codec.levels)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self._file.close()
            self._partial.unlink()
            return
        self._flush()
        self._write_attributes()
        self._file.close()
        with self._partial.open("rb") as file:
            os.fsync(file.fileno())
        self._partial.replace(self.path)

    def _flush(self) -> None:
        utterances = [utterance for utterance, _ in self._waiting]
        if not utterances:
            return
        codes = [utterance.codes for utterance in utterances]
        _extend_ragged(self._file, "codes", np.concatenate(codes), [len(c) for c in codes])
        for name in RAGGED_TEXT:
            texts = [getattr(utterance, name).encode("utf-8") for utterance in utterances]
            _extend_ragged(self._file, name, np.frombuffer(b"".join(texts), np.uint8), [len(t) for t in texts])
        _extend(self._file, "speaker", [_number(self._speakers, u.speaker) for u in utterances])
        _extend(self._file, "language", [_number(self._languages, u.language) for u in utterances])
        _extend(self._file, "split", [SPLITS.index(u.split) for u in utterances])
        _extend(self._file, "fingerprint", [fingerprint for _, fingerprint in self._waiting])
        self._waiting.clear()

    def _write_attributes(self) -> None:
        frames = self._file["codes"].shape[0]
        self._file.attrs.update(
            format=FORMAT,
            version=VERSION,
            codec=json.dumps(asdict(self._codec)),
            frame_rate=self._codec.frame_rate,
            levels=self._codec.levels,
            utterances=self._file["speaker"].shape[0],
            hours=frames / self._codec.frame_rate / 3600,
            speakers=json.dumps(list(self._speakers), ensure_ascii=False),
            languages=json.dumps(list(self._languages), ensure_ascii=False),
            splits=json.dumps(SPLITS),
        )


def _create_columns(file: h5py.File, levels: int) -> None:
    # Codes are below 1024 as a rule: once the bytes are shuffled apart, the upper ones compress, a quarter in all.
    file.create_dataset(
        "codes",
        (0, levels),
        "int16",
        maxshape=(None, levels),
        chunks=(CHUNK_FRAMES, levels),
        compression="lzf",
        shuffle=True,
        fletcher32=True,
    )
    for name in RAGGED_TEXT:
        file.create_dataset(name, (0,), "uint8", maxshape=(None,), chunks=(CHUNK_BYTES,), fletcher32=True)
    for name in ("codes", *RAGGED_TEXT):
        file.create_dataset(f"{name}_offsets", data=np.zeros(1, np.int64), maxshape=(None,), chunks=(CHUNK_ROWS,))
    for name, dtype in SMALL_COLUMNS.items():
        file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(CHUNK_ROWS,))


def _extend(file: h5py.File, name: str, values: Any) -> None:
    column = file[name]
    end = len(column)
    column.resize(end + len(values), axis=0)
    column[end:] = np.asarray(values, column.dtype)


def _extend_ragged(file: h5py.File, name: str, values: Any, lengths: list[int]) -> None:
    ends = list(accumulate(lengths, initial=len(file[name])))[1:]
    _extend(file, name, values)
    _extend(file, f"{name}_offsets", ends)


def _number(names: dict[str, int], name: str) -> int:
    return names.setdefault(name, len(names))
