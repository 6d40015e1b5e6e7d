"""Tables beside audio: CSV and TSV with a header, lines of JSON. The names of the columns may differ."""

from __future__ import annotations

from pathlib import PurePosixPath

from .corpus import Corpus
from .row import Found, Rejected, Row
from .tables import read_table

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
PATH = ("path", "file", "filename", "file_name", "audio", "audio_file", "audio_path", "audio_filepath", "wav")
TEXT = ("text", "transcript", "transcription", "sentence", "normalized_text", "transcript_text")
SPEAKER = ("speaker", "speaker_id", "speaker_name", "spk", "client_id")
LANGUAGE = ("lang", "language", "locale", "language_id")
SPLIT = ("split", "subset")


def fits(corpus: Corpus) -> bool:
    """Whether a table lies in the folder itself, and its first row names audio."""
    return any(_names_audio(corpus, path) for path in tables(corpus))


def tables(corpus: Corpus) -> list[PurePosixPath]:
    """The tables in the folder itself, not below it."""
    return [path for path in corpus.with_suffix(*TABLE_SUFFIXES) if len(path.parts) == 1]


def rows(corpus: Corpus) -> Found:
    """Rows of all tables of the folder."""
    for path in tables(corpus):
        yield from table_rows(corpus, path)


def table_rows(corpus: Corpus, path: PurePosixPath) -> Found:
    """Rows of one table; the paths in it are relative to the table's folder or to the corpus."""
    for found in read_table(corpus.root / path, str(path)):
        if isinstance(found, Rejected):
            yield found
            continue
        where, fields = found
        if (named := _first(fields, PATH)) is None:
            yield Rejected(where, f"names no audio: a column {', '.join(PATH[:4])} or the like is wanted")
            continue
        yield Row(
            where=where,
            path=beside(corpus, path, named),
            text=_first(fields, TEXT),
            speaker=_first(fields, SPEAKER),
            language=_first(fields, LANGUAGE),
            split=_first(fields, SPLIT),
            phonemes=fields.get("phonemes"),
        )


def beside(corpus: Corpus, table: PurePosixPath, named: str) -> str:
    """The path that a table means: relative to its own folder, or to the corpus if that is where the file lies."""
    own = str(table.parent / named) if named else named
    return named if named in corpus and own not in corpus else own


def _names_audio(corpus: Corpus, path: PurePosixPath) -> bool:
    first = next((row for row in read_table(corpus.root / path, str(path)) if not isinstance(row, Rejected)), None)
    return first is not None and _first(first[1], PATH) is not None


def _first(fields: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((fields[name] for name in names if name in fields), None)
