"""Common Voice: `validated.tsv` (or train, dev and test) beside `clips/`, once for each language."""

from __future__ import annotations

from pathlib import PurePosixPath

from .corpus import Corpus
from .row import Found, Rejected, Row
from .tables import read_table

TABLES = ("validated.tsv", "train.tsv", "dev.tsv", "test.tsv")


def fits(corpus: Corpus) -> bool:
    """Whether such a table lies beside a folder of clips."""
    return bool(_languages(corpus))


def rows(corpus: Corpus) -> Found:
    """A row for every clip of validated.tsv, in its own split if dev.tsv or test.tsv names it, too."""
    for folder in _languages(corpus):
        splits = {clip: "validation" for name in TABLES[2:] for clip in _clips(corpus, folder / name)}
        names = TABLES[:1] if str(folder / TABLES[0]) in corpus else TABLES[1:]
        for name in names:
            if str(folder / name) in corpus:
                yield from _rows(corpus, folder / name, splits)


def _rows(corpus: Corpus, table: PurePosixPath, splits: dict[str, str]) -> Found:
    for found in read_table(corpus.root / table, str(table)):
        if isinstance(found, Rejected):
            yield found
            continue
        where, fields = found
        clip = fields.get("path", "")
        if clip and "." not in PurePosixPath(clip).name:
            clip = f"{clip}.mp3"
        yield Row(
            where=where,
            path=str(table.parent / "clips" / clip) if clip else "",
            text=fields.get("sentence"),
            # 128 hexadecimal digits; the first 16 tell speakers apart as well.
            speaker=f"common_voice/{fields['client_id'][:16]}" if fields.get("client_id") else None,
            language=fields.get("locale") or None,
            split=splits.get(fields.get("path", "")),
        )


def _languages(corpus: Corpus) -> list[PurePosixPath]:
    with_clips = {path.parent.parent for path in corpus.audio if path.parent.name == "clips"}
    return sorted(folder for folder in with_clips if any(str(folder / name) in corpus for name in TABLES))


def _clips(corpus: Corpus, table: PurePosixPath) -> list[str]:
    if str(table) not in corpus:
        return []
    found = read_table(corpus.root / table, str(table))
    return [row[1]["path"] for row in found if not isinstance(row, Rejected) and row[1].get("path")]
