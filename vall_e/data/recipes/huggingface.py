"""Datasets with audio as Hugging Face keeps them: Parquet files of the hub, Arrow files of `save_to_disk`.

They are read by pyarrow (extra `huggingface`) as plain columns: nothing that a file or folder holds is executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from vall_e.errors import AudioError, MissingExtra

from .audio_source import file_size
from .corpus import Corpus
from .row import Found, Rejected, Row
from .table import LANGUAGE, PATH, SPEAKER, TEXT

SPLITS = {"train": "training", "validation": "validation", "dev": "validation", "test": "validation"}
SUFFIXES = (".parquet", ".arrow")
KINDS = {"text": TEXT, "speaker": SPEAKER, "language": LANGUAGE}
_lock = Lock()


@dataclass(frozen=True)
class EmbeddedAudio:
    """A recording in a column of a file: row `row` of its batch `batch`."""

    file: Path
    batch: int
    row: int
    column: str

    @property
    def name(self) -> str:
        """File and row."""
        return f"{self.file}, batch {self.batch}, row {self.row}"

    def size(self) -> int:
        """Bytes of the file that it lies in."""
        return file_size(self.file)

    def open(self) -> BytesIO:
        """The encoded audio."""
        try:
            with _lock:
                value = _batch(self.file, self.batch, (self.column,)).column(self.column)[self.row].as_py()
        except (OSError, ValueError, IndexError, KeyError) as error:
            raise AudioError(f"{self.name}: cannot be read ({error})") from error
        if not isinstance(value, dict) or not value.get("bytes"):
            raise AudioError(f"{self.name}: holds no audio")
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
        except (OSError, ValueError, KeyError, IndexError) as error:
            yield Rejected(str(path), f"cannot be read ({error})")


def _rows(corpus: Corpus, path: PurePosixPath) -> Found:
    whole = corpus.root / path
    names = _schema(whole).names
    column = next((name for name in names if name in PATH), None)
    if column is None:
        raise ValueError(f"it has no column {', '.join(PATH[:4])} or the like, but {', '.join(names)}")
    chosen = {kind: name for kind, of in KINDS.items() if (name := next((n for n in names if n in of), None))}
    paths, embedded = _audio_names(whole, column)
    taken: set[str] = set()
    for number in range(_batches(whole)):
        batch = _batch(whole, number, (*paths, *chosen.values()))
        told = {kind: _texts(batch.column(name)) for kind, name in chosen.items()}
        places = _texts(_paths(batch, column)) if paths else [None] * len(batch)
        for row, place in enumerate(places):
            said = {kind: values[row] for kind, values in told.items()}
            yield Row(
                where=f"{path}, batch {number}, row {row}",
                path=_name(place, path, number, row, taken) if embedded else place or "",
                sound=EmbeddedAudio(whole, number, row, column) if embedded else None,
                text=said.get("text"),
                speaker=f"{corpus.name}/{(said.get('speaker') or corpus.name).replace('/', '_')}",
                language=said.get("language"),
                split=_split(path),
            )


def _audio_names(path: Path, column: str) -> tuple[tuple[str, ...], bool]:
    """What to read for the names of recordings - their bytes are left where they are - and whether there are bytes."""
    import pyarrow.types as types

    kind = _schema(path).field(column).type
    if types.is_string(kind) or types.is_large_string(kind):
        return (column,), False
    if not types.is_struct(kind):
        raise ValueError(f"column {column} is {kind}, not audio")
    fields = {field.name for field in kind}
    return ((f"{column}.path",) if "path" in fields else ()), "bytes" in fields


def _paths(batch: Any, column: str) -> Any:
    import pyarrow.types as types

    values = batch.column(column)
    return values.field("path") if types.is_struct(values.type) else values


def _texts(values: Any) -> list[str | None]:
    return [None if value is None else str(value) for value in values.to_pylist()]


def _name(name: str | None, path: PurePosixPath, batch: int, row: int, taken: set[str]) -> str:
    """The name of an embedded file, in a folder named like the table; a number for one without a name of its own."""
    stem = PurePosixPath(name).name if name else ""
    if not stem or stem in taken:
        stem = f"{path.stem}-{batch:03d}-{row:05d}"
    taken.add(stem)
    return str(path.with_suffix("") / stem)


def _split(path: PurePosixPath) -> str | None:
    words = {word for part in path.parts for word in part.split(".")[0].split("-")[:1]}
    return next((split for name, split in SPLITS.items() if name in words), None)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "huggingface", "reading Parquet and Arrow files") from error
    return pyarrow


@lru_cache(maxsize=1)
def _opened(path: Path) -> Any:
    """A ParquetFile, or the record batches of an Arrow file, which stay on the disk until they are looked at."""
    pyarrow = _pyarrow()
    if path.suffix == ".parquet":
        return pyarrow.parquet.ParquetFile(path)
    with pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))) as reader:
        return reader.read_all()


def _schema(path: Path) -> Any:
    opened = _opened(path)
    return opened.schema_arrow if path.suffix == ".parquet" else opened.schema


def _batches(path: Path) -> int:
    opened = _opened(path)
    return int(opened.num_row_groups) if path.suffix == ".parquet" else len(opened.to_batches())


@lru_cache(maxsize=2)
def _batch(path: Path, number: int, columns: tuple[str, ...]) -> Any:
    """Row group or record batch `number`; of a Parquet file these columns alone are read."""
    opened = _opened(path)
    if path.suffix == ".parquet":
        return opened.read_row_group(number, columns=list(columns)).combine_chunks().to_batches()[0]
    return opened.to_batches()[number]
