"""What an evaluation of codecs found, and how it is kept as `results.json`.

audio, seed, date               what was measured, how it was drawn, and when (ISO 8601)
metrics.<metric>                title, and whether `higher` or `lower` is better
utterances[]                    id, speaker, text, language
rows[]                          the originals first, then each codec by each number of levels
rows[].codec, levels, digest    what it is; levels is null for the originals
rows[].kbit_per_second          of codes that are not compressed further
rows[].means.<metric>           mean, low and high of its 95 % confidence interval, utterances that have a value
rows[].by_group, by_speaker     the same of each group of speakers, and of each speaker
rows[].values.<utterance>       the value of each metric, null where it has none
rows[].audio.<utterance>        the file to listen to, relative to the folder
codebook_use.<codec>            frames, codebook_size, and lists over levels: entropy_bits and used (0 to 1)
speed.<codec>                   encode and decode: real_time_factor, peak_bytes, idle_bytes; see `timing.py`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vall_e.atomic import replace_text

from .candidates import Subject
from .codebook_use import CodebookUse
from .confidence import Mean, mean_of
from .metrics.metric import Metric, Score
from .speed import Speed
from .utterances import Utterance

Scores = dict[str, Score | None]
"""By the name of a metric."""


@dataclass(frozen=True)
class Row:
    """What was measured of a subject: scores of every utterance, in their order, and the files to listen to."""

    subject: Subject
    scores: list[Scores]
    audio: list[str]


@dataclass(frozen=True, kw_only=True)
class Result:
    """All rows, the originals first, and what was measured of codecs as a whole, by label."""

    audio: str
    seed: int
    date: str
    sample_rate: int
    """Of the originals, and of the picture."""
    metrics: Sequence[Metric]
    utterances: Sequence[Utterance]
    rows: list[Row] = field(default_factory=list)
    codebook_use: dict[str, CodebookUse] = field(default_factory=dict)
    speed: dict[str, Speed] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, list[str]]:
        """The ids of the utterances of each group of speakers."""
        return self._parted(lambda one: one.group)

    @property
    def speakers(self) -> dict[str, list[str]]:
        """The ids of the utterances of each speaker."""
        return self._parted(lambda one: one.speaker)

    def means(self, row: Row, ids: Collection[str] | None = None) -> dict[str, Mean | None]:
        """The mean of each metric over the utterances of these ids; None takes all."""
        scores = [s for one, s in zip(self.utterances, row.scores, strict=True) if ids is None or one.id in ids]
        return {m.name: mean_of([one[m.name] for one in scores], self.seed) for m in self.metrics}

    def _parted(self, part: Callable[[Utterance], str]) -> dict[str, list[str]]:
        parts: dict[str, list[str]] = {name: [] for name in sorted({part(one) for one in self.utterances})}
        for one in self.utterances:
            parts[part(one)].append(one.id)
        return parts


def write_result(result: Result, folder: Path) -> None:
    """Write `results.json`, atomically."""
    content = {
        "audio": result.audio,
        "seed": result.seed,
        "date": result.date,
        "metrics": {m.name: {"title": m.title, "better": m.better} for m in result.metrics},
        "utterances": [
            {"id": one.id, "speaker": one.speaker, "text": one.text, "language": one.language}
            for one in result.utterances
        ],
        "rows": [_row(result, row) for row in result.rows],
        "codebook_use": {label: asdict(found) for label, found in result.codebook_use.items()},
        "speed": {label: asdict(found) for label, found in result.speed.items()},
    }
    replace_text(folder / "results.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _row(result: Result, row: Row) -> dict[str, Any]:
    ids = [one.id for one in result.utterances]
    values = [{name: score.value if score else None for name, score in scores.items()} for scores in row.scores]
    return {
        **asdict(row.subject),
        "means": _plain(result.means(row)),
        "by_group": {name: _plain(result.means(row, kept)) for name, kept in result.groups.items()},
        "by_speaker": {name: _plain(result.means(row, kept)) for name, kept in result.speakers.items()},
        "values": dict(zip(ids, values, strict=True)),
        "audio": dict(zip(ids, row.audio, strict=True)),
    }


def _plain(means: dict[str, Mean | None]) -> dict[str, Any]:
    return {name: mean and asdict(mean) for name, mean in means.items()}
