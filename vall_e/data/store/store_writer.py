"""Writing a store: rows are appended to temporary files that become the store when it is complete."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vall_e.audio.codec import CodecIdentity
from vall_e.data.utterance import SPLITS, Utterance

from .column_writer import ColumnFileWriter, RowKind
from .store_format import INDEX_COLUMNS, TEXTS, StoreInfo, attributes_of

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
        kinds: dict[str, RowKind] = {"codes": ("int16", (self._codec.levels,)), "texts": ("uint8", ())}
        kinds |= {"texts_offsets": ("int64", ()), "checksums": ("uint32", (2,))}
        kinds |= {name: (dtype, ()) for name, dtype in INDEX_COLUMNS.items()}
        self._file = ColumnFileWriter(self.path, kinds)
        for name in ("codes_offsets", "texts_offsets"):
            self._extend(name, [0])
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
        texts = [[getattr(utterance, name).encode("utf-8") for name in TEXTS] for utterance in utterances]
        self._extend_ragged("codes", np.concatenate(codes), [len(c) for c in codes])
        content = b"".join(text for row in texts for text in row)
        self._extend_ragged("texts", np.frombuffer(content, np.uint8), [len(text) for row in texts for text in row])
        sums = [(zlib.crc32(c.data), zlib.crc32(b"".join(row))) for c, row in zip(codes, texts, strict=True)]
        self._extend("checksums", sums)
        self._extend("phoneme_bytes", [len(row[-1]) for row in texts])
        self._extend("speaker", [_number(self._speakers, u.speaker) for u in utterances])
        self._extend("language", [_number(self._languages, u.language) for u in utterances])
        self._extend("split", [SPLITS.index(u.split) for u in utterances])
        self._extend("fingerprint", [fingerprint for _, fingerprint in self._waiting])
        self._waiting.clear()

    def _extend(self, name: str, values: Sequence[int] | Sequence[tuple[int, ...]]) -> None:
        column = self._file.columns[name]
        column.extend(np.array(values, column.dtype))

    def _extend_ragged(self, name: str, values: npt.NDArray[Any], lengths: list[int]) -> None:
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
