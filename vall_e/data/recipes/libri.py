"""LibriSpeech and LibriTTS: `SUBSET/SPEAKER/CHAPTER/`, transcripts in `*.trans.txt` or beside each file."""

from __future__ import annotations

from pathlib import PurePosixPath

from .corpus import Corpus
from .lines import read_lines, read_short
from .row import Elsewhere, Found, Rejected, Row

BESIDE = (".normalized.txt", ".original.txt")
LISTED = ".trans.txt"


def fits(corpus: Corpus) -> bool:
    """Whether transcripts are named as those corpora name them."""
    return bool(corpus.with_suffix(LISTED, *BESIDE))


def rows(corpus: Corpus) -> Found:
    """A row for every audio file. The folder above the chapter is the speaker, a subset dev-... is for validation."""
    texts: dict[str, tuple[str, str | None]] = {}
    for path in corpus.with_suffix(LISTED):
        for line in read_lines(corpus.root / path, str(path)):
            if isinstance(line, Rejected):
                yield line
                continue
            where, (name, _, text) = line[0], line[1].partition(" ")
            texts[str(path.parent / name)] = (where, text)
    for audio in corpus.audio:
        listed = texts.pop(str(audio.with_suffix("")), None)
        if not corpus.share.takes(audio):
            yield Elsewhere(str(audio), _speaker(corpus, audio))
            continue
        told = listed or _beside(corpus, audio)
        yield Row(where=told[0], path=str(audio), text=told[1], speaker=_speaker(corpus, audio), split=_split(audio))
    for name, (where, _) in texts.items():
        yield Rejected(where, f"has a transcript of {name!r}, but there is no such audio")


def _beside(corpus: Corpus, audio: PurePosixPath) -> tuple[str, str | None]:
    for suffix in BESIDE:
        path = audio.with_suffix(suffix)
        if str(path) in corpus:
            try:
                return str(path), read_short(corpus.root / path)
            except (OSError, ValueError):
                break
    return str(audio), None


def _speaker(corpus: Corpus, audio: PurePosixPath) -> str | None:
    """`LibriTTS/123` and the like, if the folders are those of the corpus."""
    return f"{corpus.name}/{audio.parts[-3]}" if len(audio.parts) >= 3 else None


def _split(audio: PurePosixPath) -> str | None:
    return "validation" if any(part.startswith(("dev-", "test-")) for part in audio.parts) else None
