"""A folder of audio, with or without a `.txt` of the same name beside each file."""

from __future__ import annotations

from pathlib import PurePosixPath

from .corpus import Corpus
from .lines import read_short
from .row import Elsewhere, Found, Rejected, Row

SUFFIXES = (".txt", ".lab")


def fits(corpus: Corpus) -> bool:
    """Whether there is any audio."""
    return bool(corpus.audio)


def rows(corpus: Corpus) -> Found:
    """A row for every audio file; what has no transcript beside it has no text."""
    for audio in corpus.audio:
        yield _row(corpus, audio) if corpus.share.takes(audio) else Elsewhere(str(audio))


def _row(corpus: Corpus, audio: PurePosixPath) -> Row | Rejected:
    beside = next((path for s in SUFFIXES if str(path := audio.with_suffix(s)) in corpus), None)
    if beside is None:
        return Row(where=str(audio), path=str(audio))
    try:
        return Row(where=str(audio), path=str(audio), text=read_short(corpus.root / beside))
    except (OSError, ValueError) as error:
        return Rejected(str(audio), f"its transcript {beside.name} cannot be used: {error}", path=str(audio))
