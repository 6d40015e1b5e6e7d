"""What a recipe finds: rows as they stand in a corpus, and those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .audio_source import AudioSource, CodesSource
from .corpus import Corpus


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A recording and what the corpus says of it. `where` names the line or file that says so, `path` is relative to
    the corpus; `sound` lies elsewhere than in that file, if it is set. None is what the corpus does not say."""

    where: str
    path: str
    sound: AudioSource | CodesSource | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    split: str | None = None
    phonemes: str | None = None


@dataclass(frozen=True)
class Rejected:
    """What cannot be used: the line, file or utterance, and why. `order` is its place among the rows of the corpus,
    `path` that of the recording, if it is one whose path tells the speaker."""

    id: str
    reason: str
    order: int = field(default=0, compare=False)
    path: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Elsewhere:
    """A recording of another job's share, of which nothing is read but its path; None as in a row."""

    path: str
    speaker: str | None = None


Found = Iterator[Row | Rejected | Elsewhere]
Recipe = Callable[[Corpus], Found]
