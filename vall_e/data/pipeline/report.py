"""What became of a corpus: kept as JSON beside the dataset, and told in a few lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vall_e.atomic import replace_text
from vall_e.data.recipes.row import Rejected
from vall_e.errors import DataError
from vall_e.text.unknown_symbols import named

from .piece import Dropped

TOLD = 10
"""Lines of a list that are told; the file holds all."""


@dataclass
class Tally:
    """Utterances, and how long they last together."""

    utterances: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.utterances += 1
        self.seconds += seconds


@dataclass(kw_only=True)
class PrepareReport:
    """What a dataset holds after preparation.

    `encoded` counts the utterances this run had to make. `dropped` lists those that could not be used as (id, reason),
    rows of the corpus among them as (line, reason), `unlisted` the audio files that no row names. `unknown_symbols` are
    the utterances whose phonemes hold a symbol that the tokenizer has not. `missing` counts the recordings that other
    jobs are still to prepare: with any of them there is no dataset yet.
    """

    path: Path
    recipe: str = ""
    utterances: int = 0
    encoded: int = 0
    missing: int = 0
    dropped: list[tuple[str, str]] = field(default_factory=list)
    dropped_in: dict[str, int] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)
    by_speaker: dict[str, Tally] = field(default_factory=dict)
    by_language: dict[str, Tally] = field(default_factory=dict)
    by_split: dict[str, Tally] = field(default_factory=dict)
    unknown_symbols: dict[str, list[str]] = field(default_factory=dict)
    tokenizer: str = ""
    plan: str = ""

    @property
    def hours(self) -> float:
        """Hours of all utterances."""
        return sum(tally.seconds for tally in self.by_language.values()) / 3600

    @property
    def speakers(self) -> tuple[str, ...]:
        """Their speakers, in order of appearance."""
        return tuple(self.by_speaker)

    @property
    def languages(self) -> tuple[str, ...]:
        """Their languages, in order of appearance."""
        return tuple(self.by_language)

    def take(self, speaker: str, language: str, split: str, seconds: float) -> None:
        """Count an utterance of the dataset."""
        self.utterances += 1
        for tallies, name in ((self.by_speaker, speaker), (self.by_language, language), (self.by_split, split)):
            tallies.setdefault(name, Tally()).add(seconds)

    def leave_out(self, rejected: list[Rejected], dropped: list[Dropped], unlisted: list[str]) -> None:
        """Take in what cannot be used, and audio that nothing names."""
        self.unlisted = unlisted
        self.dropped = [*((one.id, one.reason) for one in rejected), *((one.id, one.reason) for one in dropped)]
        steps = ["read"] * len(rejected) + [one.step for one in dropped]
        self.dropped_in = dict(Counter(steps))

    def summary(self) -> str:
        """One line for the log."""
        size = f"{self.utterances} utterances, {self.hours:.2f} h, {len(self.speakers)} speakers"
        return f"{self.path}: {size}, {', '.join(self.languages)}; {len(self.dropped)} left out"

    def lines(self) -> Iterator[str]:
        """All that is worth telling."""
        yield self.summary()
        for name, tally in self.by_language.items():
            yield f"  {name}: {tally.utterances} utterances, {tally.seconds / 3600:.2f} h"
        yield from _list("left out", [f"{name}: {reason}" for name, reason in self.dropped])
        yield from _list("audio files that the corpus does not list", self.unlisted)
        symbols = [f"{named(s)}: {len(ids)} x, {ids[0]}" for s, ids in self.unknown_symbols.items()]
        yield from _list("symbols the tokenizer does not know", symbols)

    def write(self) -> Path:
        """Keep it as JSON beside the dataset."""
        path = report_path(self.path)
        totals = {"hours": round(self.hours, 6), "speakers": len(self.by_speaker)}
        told: dict[str, Any] = {**totals, **asdict(self), "path": str(self.path)}
        for name in ("by_speaker", "by_language", "by_split"):
            for tally in told[name].values():
                tally["seconds"] = round(tally["seconds"], 4)
        told["dropped"] = [{"id": name, "reason": reason} for name, reason in self.dropped]
        replace_text(path, json.dumps(told, indent=1, ensure_ascii=True) + "\n")
        return path


def report_path(store: Path) -> Path:
    """`mine.report.json` for `mine.h5`."""
    return store.with_suffix(".report.json")


def earlier_report(store: Path) -> dict[str, Any]:
    """What the run that wrote the dataset told; {} if nothing is there that can be read."""
    try:
        told = json.loads(report_path(store).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def nothing_left(report: PrepareReport, total: int) -> DataError:
    """The error for a corpus of which nothing can be used."""
    first = f"; the first, {report.dropped[0][0]}: {report.dropped[0][1]}" if report.dropped else ""
    return DataError(f"none of {total} utterances can be used{first}")


def _list(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {len(lines)} {title}:"
        yield from (f"    {line}" for line in lines[:TOLD])
        if len(lines) > TOLD:
            yield f"    ... and {len(lines) - TOLD} more, in the report"
