"""LJSpeech: `metadata.csv` with lines `id|text|normalised text`, the audio beside it or in `wavs/`."""

from __future__ import annotations

from pathlib import PurePosixPath

from .corpus import AUDIO_SUFFIXES, Corpus
from .lines import read_lines
from .row import Found, Rejected, Row
from .table import PATH
from .tables import split_rows

NAME = "metadata.csv"
FOLDERS = ("wavs", "wav", "")


def fits(corpus: Corpus) -> bool:
    """Whether a metadata.csv begins with a line that has bars, and no column named audio."""
    return any(_has_bars(corpus, path) for path in corpus.named(NAME))


def rows(corpus: Corpus) -> Found:
    """A row for every line of every metadata.csv; each folder that holds one is a speaker."""
    for table in corpus.named(NAME):
        folders = (corpus.name, *table.parent.parts)
        speaker = f"{folders[max(0, len(folders) - 2)]}/{folders[-1]}"
        for row in split_rows(read_lines(corpus.root / table, str(table)), "|"):
            if isinstance(row, Rejected):
                yield row
            elif len(row[1]) < 2:
                yield Rejected(row[0], "a line id|text is wanted")
            else:
                where, fields = row
                text = next((field for field in (*fields[2:3], fields[1]) if field.strip()), "")
                yield Row(where=where, path=_audio(corpus, table, fields[0].strip()), text=text, speaker=speaker)


def _audio(corpus: Corpus, table: PurePosixPath, name: str) -> str:
    """Where the audio of an id lies; a .wav in `wavs/` if it lies nowhere."""
    if not name:
        return ""
    suffixes = ("",) if PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES else tuple(sorted(AUDIO_SUFFIXES))
    places = [str(table.parent / folder / f"{name}{suffix}") for folder in FOLDERS for suffix in suffixes]
    return next((place for place in places if place in corpus), str(table.parent / FOLDERS[0] / f"{name}.wav"))


def _has_bars(corpus: Corpus, path: PurePosixPath) -> bool:
    lines = read_lines(corpus.root / path, str(path))
    first = next((line for line in lines if not isinstance(line, Rejected)), None)
    return first is not None and "|" in first[1] and first[1].split("|")[0].strip().lower() not in PATH
