"""What became of the recordings of each job's share, in files that the last job joins."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from vall_e.atomic import replacing
from vall_e.data.recipes.corpus_entries import Manifest, ManifestEntry
from vall_e.data.recipes.row import Rejected
from vall_e.data.recipes.share import RULE
from vall_e.errors import DataError

from .job import Job
from .journal import key_of
from .piece import Dropped
from .workshop import Workshop

Line = list[Any]
"""The place of a row in the corpus, `kept`, `dropped` or `rejected`, and what is to be told of it."""


class Kept(NamedTuple):
    """An utterance of the dataset."""

    mark: int
    speaker: str
    split: str
    language: str


@dataclass
class Judgement:
    """What became of the `rows` of a corpus that are judged yet, in its order. `plan` is equal for runs that are to
    give the same dataset."""

    rows: int = 0
    plan: int = 0
    kept: list[Kept] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def judge(job: Job, manifest: Manifest) -> None:
    """Write down what became of this job's share; DataError if recordings have changed since their steps were run."""
    found = list(_lines(job, manifest.entries))
    if missing := sum(line[1] == "missing" for line in found):
        raise DataError(f"{missing} recordings changed while they were read: run it again")
    rejected = [[one.order, "rejected", one.id, one.reason] for one in manifest.rejected]
    head = [_corpus(job, manifest), len(manifest.entries) + len(manifest.rejected), job.plan(manifest.entries)]
    with replacing(_path(job.workshop, job.workshop.shard)) as partial, partial.open("w", encoding="utf-8") as file:
        for line in (head, *heapq.merge(found, rejected, key=_place)):
            file.write(json.dumps(line) + "\n")


def judged(job: Job, manifest: Manifest) -> Judgement:
    """What became of the shares of all jobs that have come so far with this very corpus."""
    result = Judgement()
    shares = []
    for shard in range(job.workshop.shards):
        lines = _read(_path(job.workshop, shard))
        nothing: Line = ["", 0, 0]
        corpus, rows, plan = next(lines, nothing)
        if corpus == _corpus(job, manifest):
            result.rows += rows
            result.plan = (result.plan + plan) % 2**64
            shares.append(lines)
    for _, kind, *told in heapq.merge(*shares, key=_place):
        if kind == "kept":
            result.kept.append(Kept(told[0], *map(intern, told[1:])))
        elif kind == "dropped":
            result.dropped.append(Dropped(*told))
        else:
            result.rejected.append(Rejected(*told))
    return result


def _lines(job: Job, entries: Sequence[ManifestEntry]) -> Iterator[Line]:
    for entry in entries:
        outcome = job.outcome([entry])
        for piece, mark in outcome.kept:
            yield [entry.order, "kept", mark, piece.speaker, piece.split, piece.language]
        for dropped in outcome.dropped:
            yield [entry.order, "dropped", dropped.id, dropped.reason, dropped.step]
        if outcome.missing:
            yield [entry.order, "missing"]


def _corpus(job: Job, manifest: Manifest) -> str:
    """Equal for jobs that share one corpus and are set alike."""
    return key_of(RULE, manifest.recipe, manifest.files, manifest.rows, job.how)


def _path(workshop: Workshop, shard: int) -> Path:
    return workshop.folder / "judged" / f"{workshop.name(shard)}.jsonl"


def _read(path: Path) -> Iterator[Line]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def _place(line: Line) -> int:
    return int(line[0])
