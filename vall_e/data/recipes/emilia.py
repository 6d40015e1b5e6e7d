"""Emilia: a JSON object beside each file, `DE_B00001/.../DE_B00001_S00001_W000001.{json,mp3}`."""

from __future__ import annotations

from pathlib import PurePosixPath

from .corpus import Corpus
from .lines import read_short
from .row import Elsewhere, Found, Rejected, Row
from .tables import json_fields

LOOKED_AT = 20


def fits(corpus: Corpus) -> bool:
    """Whether the first audio files have a JSON object of the same name beside them."""
    first = corpus.audio[:LOOKED_AT]
    return bool(first) and all(str(path.with_suffix(".json")) in corpus for path in first)


def rows(corpus: Corpus) -> Found:
    """A row for every audio file."""
    for audio in corpus.audio:
        path = audio.with_suffix(".json")
        if not corpus.share.takes(audio):
            yield Elsewhere(str(audio))
            continue
        if str(path) not in corpus:
            yield Rejected(str(audio), f"has no {path.name} beside it")
            continue
        yield _row(corpus, audio, path)


def _row(corpus: Corpus, audio: PurePosixPath, path: PurePosixPath) -> Row | Rejected:
    try:
        found = json_fields(str(path), read_short(corpus.root / path))
    except (OSError, ValueError) as error:
        return Rejected(str(path), str(error))
    if isinstance(found, Rejected):
        return found
    where, fields = found
    return Row(
        where=where,
        path=str(audio),
        text=fields.get("text"),
        speaker=f"Emilia/{fields['speaker'].replace('/', '_')}" if fields.get("speaker") else None,
        language=fields.get("language"),
        phonemes=fields.get("phonemes"),
    )
