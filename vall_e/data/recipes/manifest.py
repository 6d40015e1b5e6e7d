"""`meta.jsonl`: one line an utterance, beside the audio it names: path, speaker, text, lang and split."""

from __future__ import annotations

from vall_e.errors import DataError

from .corpus import Corpus
from .lines import read_lines
from .row import Found, Rejected, Row
from .tables import json_fields

MANIFEST_NAME = "meta.jsonl"


def fits(corpus: Corpus) -> bool:
    """Whether the folder has a manifest."""
    return (corpus.root / MANIFEST_NAME).is_file()


def rows(corpus: Corpus) -> Found:
    """A row for every line."""
    path = corpus.root / MANIFEST_NAME
    if not path.is_file():
        raise DataError(f"{path} does not exist: recipe manifest wants a folder with a {MANIFEST_NAME}")
    for line in read_lines(path, MANIFEST_NAME):
        found = line if isinstance(line, Rejected) else json_fields(*line)
        if isinstance(found, Rejected):
            yield found
            continue
        where, fields = found
        if "path" not in fields:
            yield Rejected(where, "'path' is missing")
            continue
        yield Row(
            where=where,
            path=fields["path"],
            text=fields.get("text"),
            speaker=fields.get("speaker"),
            language=fields.get("lang"),
            split=fields.get("split"),
            phonemes=fields.get("phonemes"),
        )
