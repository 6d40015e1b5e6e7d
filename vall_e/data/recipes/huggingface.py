"""Datasets with audio as Hugging Face keeps them: Parquet files of the hub, Arrow files of `save_to_disk`.

They are read by pyarrow (extra `huggingface`) as plain columns: nothing that a file or folder holds is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from vall_e.errors import AudioError, DataError, MissingExtra

from ..audio_source import file_size
from .corpus import Corpus
from .row import Found, Rejected, Row
from .table import LANGUAGE, PATH, SPEAKER, TEXT

SPLITS = {"train": "training", "validation": "validation", "dev": "validation", "test": "validation"}
SUFFIXES = (".parquet", ".arrow")
_lock = Lock()


@dataclass(frozen=True)
class EmbeddedAudio:
    """The bytes in field `bytes` of column `column`, row `row` of batch `batch` of a file."""

    path: Path
    batch: int
    row: int
    column: str
    bytes: int

    @property
    def name(self) -> str:
        """File and row."""
        return f"{self.path}, batch {self.batch}, row {self.row}"

    def size(self) -> int:
        """Bytes of the recording."""
        return self.bytes if file_size(self.path) >= 0 else -1

    def open(self) -> BytesIO:
        """The encoded audio."""
        try:
            with _lock:
                value = _batch(self.path, self.batch).column(self.column)[self.row].as_py()
        except (OSError, ValueError, IndexError, KeyError) as error:
            raise AudioError(f"{self.name}: cannot be read ({error})") from error
        return BytesIO(value["bytes"])


def fits(corpus: Corpus) -> bool:
    """Whether there are Parquet or Arrow files."""
    return bool(corpus.with_suffix(*SUFFIXES))


def rows(corpus: Corpus) -> Found:
    """A row for every row of every file. The split is read off the names of file and folder."""
    for path in corpus.with_suffix(*SUFFIXES):
        if path.name.startswith("cache-"):  # what `datasets` computed for itself
            continue
        try:
            yield from _rows(corpus, path)
        except (OSError, ValueError, KeyError) as error:
            yield Rejected(str(path), f"cannot be read ({error})")


def _rows(corpus: Corpus, path: PurePosixPath) -> Found:
    for number in range(_batches(corpus.root / path)):
        batch = _batch(corpus.root / path, number)
        column = next((name for name in batch.schema.names if name in PATH), None)
        if column is None:
            raise ValueError(f"it has no column {', '.join(PATH[:4])} or the like, but {', '.join(batch.schema.names)}")
        names = {kind: next((n for n in batch.schema.names if n in of), None) for kind, of in KINDS.items()}
        texts = {kind: _texts(batch, name) for kind, name in names.items()}
        for row, sound in enumerate(_sounds(batch, column)):
            where = f"{path}, batch {number}, row {row}"
            told = {kind: values[row] if values else None for kind, values in texts.items()}
            length, name = sound
            yield Row(
                where=where,
                path=_name(name, path, number, row),
                sound=EmbeddedAudio(corpus.root / path, number, row, column, length) if length else None,
                split=_split(path),
                **told,
            )


KINDS = {"text": TEXT, "speaker": SPEAKER, "language": LANGUAGE}


def _sounds(batch: Any, column: str) -> Iterator[tuple[int, str | None]]:
    """Length of the embedded file (0 if none) and its name, for each row."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    values = batch.column(column)
    if types.is_string(values.type) or types.is_large_string(values.type):
        yield from ((0, name) for name in values.to_pylist())
        return
    if not types.is_struct(values.type):
        raise ValueError(f"column {column} is {values.type}, not audio")
    fields = {field.name for field in values.type}
    lengths = compute.binary_length(values.field("bytes")).to_pylist() if "bytes" in fields else [0] * len(values)
    names = values.field("path").to_pylist() if "path" in fields else [None] * len(values)
    yield from ((length or 0, name) for length, name in zip(lengths, names, strict=True))


def _texts(batch: Any, name: str | None) -> list[str | None]:
    if name is None:
        return []
    return [None if value is None else str(value) for value in batch.column(name).to_pylist()]


def _name(name: str | None, path: PurePosixPath, batch: int, row: int) -> str:
    """The name of the embedded file, in a folder named like the table; a plain file keeps its path."""
    stem = PurePosixPath(name).name if name else ""
    return str(path.parent / (stem or f"{path.stem}-{batch:03d}-{row:05d}"))


def _split(path: PurePosixPath) -> str | None:
    words = {word for part in path.parts for word in part.split(".")[0].split("-")[:1]}
    return next((split for name, split in SPLITS.items() if name in words), None)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "huggingface", "preparation.recipe=huggingface") from error
    return pyarrow


def _open(path: Path) -> Any:
    pyarrow = _pyarrow()
    if path.suffix == ".parquet":
        return pyarrow.parquet.ParquetFile(path)
    with pyarrow.OSFile(str(path)) as file:
        return list(pyarrow.ipc.open_stream(file))


def _batches(path: Path) -> int:
    opened = _opened(path)
    return len(opened) if isinstance(opened, list) else int(opened.num_row_groups)


@lru_cache(maxsize=1)
def _opened(path: Path) -> Any:
    return _open(path)


@lru_cache(maxsize=2)
def _batch(path: Path, number: int) -> Any:
    """Row group or record batch `number`, all columns."""
    opened = _opened(path)
    if isinstance(opened, list):
        return opened[number]
    table = opened.read_row_group(number)
    if not len(table):
        raise DataError(f"{path}: row group {number} is empty")
    return table.combine_chunks().to_batches()[0]
