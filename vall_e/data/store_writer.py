"""Writing a store: rows are appended to temporary files that become the store when it is complete."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vall_e.audio.codec import CodecIdentity

from .column_writer import ColumnFileWriter, RowKind
from .store_format import CHECKSUMS, RAGGED_TEXT, SMALL_COLUMNS, StoreInfo, attributes_of
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
        self._waiting: list[tuple[Utterance, int]] = []
        self._speakers: dict[str, int] = {}
        self._languages: dict[str, int] = {}
        self._file: ColumnFileWriter

    def append(self, utterance: Utterance, fingerprint: int) -> None:
        """Add one row."""
        self._waiting.append((utterance, fingerprint))
        if len(self._waiting) >= FLUSH_ROWS:
            self._flush()

    def __enter__(self) -> StoreWriter:
        ragged = ("codes", *RAGGED_TEXT)
        kinds: dict[str, RowKind] = {"codes": ("int16", (self._codec.levels,))}
        kinds |= dict.fromkeys(RAGGED_TEXT, ("uint8", ()))
        kinds |= {f"{name}_offsets": ("int64", ()) for name in ragged}
        kinds |= {name: (dtype, ()) for name, dtype in SMALL_COLUMNS.items()}
        kinds |= dict.fromkeys(CHECKSUMS, ("uint32", ()))
        self._file = ColumnFileWriter(self.path, kinds)
        for name in ragged:
            self._extend(f"{name}_offsets", [0])
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._file.commit(attributes_of(self._info()))
        finally:
            self._file.discard()

    def _flush(self) -> None:
        utterances = [utterance for utterance, _ in self._waiting]
        if not utterances:
            return
        codes = [np.ascontiguousarray(utterance.codes, np.int16) for utterance in utterances]
        self._extend_ragged("codes", np.concatenate(codes), [len(c) for c in codes])
        self._extend("codes_crc32", [zlib.crc32(c.data) for c in codes])
        texts = [[getattr(utterance, name).encode("utf-8") for name in RAGGED_TEXT] for utterance in utterances]
        for name, column in zip(RAGGED_TEXT, zip(*texts, strict=True), strict=True):
            self._extend_ragged(name, np.frombuffer(b"".join(column), np.uint8), [len(text) for text in column])
        self._extend("texts_crc32", [zlib.crc32(b"".join(row)) for row in texts])
        self._extend("speaker", [_number(self._speakers, u.speaker) for u in utterances])
        self._extend("language", [_number(self._languages, u.language) for u in utterances])
        self._extend("split", [SPLITS.index(u.split) for u in utterances])
        self._extend("fingerprint", [fingerprint for _, fingerprint in self._waiting])
        self._waiting.clear()

    def _extend(self, name: str, values: Iterable[int]) -> None:
        column = self._file.columns[name]
        column.extend(np.array(values, column.dtype))

    def _extend_ragged(self, name: str, values: np.ndarray, lengths: list[int]) -> None:
        start = self._file.columns[name].rows
        self._file.columns[name].extend(values)
        self._file.columns[f"{name}_offsets"].extend(start + np.cumsum(lengths))

    def _info(self) -> StoreInfo:
        return StoreInfo(
            codec=self._codec,
            utterances=self._file.columns["speaker"].rows,
            hours=self._file.columns["codes"].rows / self._codec.frame_rate / 3600,
            speakers=tuple(self._speakers),
            languages=tuple(self._languages),
            splits=SPLITS,
        )


def _number(names: dict[str, int], name: str) -> int:
    return names.setdefault(name, len(names))
