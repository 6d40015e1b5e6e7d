"""The tables of an evaluation of codecs, aligned for the terminal and as Markdown to paste."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .confidence import Mean
from .metrics.metric import Metric
from .result import Result, Row

NOTHING = "-"
BETTER = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Table:
    """A title over rows of cells; the first is the head."""

    title: str
    rows: list[list[str]]

    def text(self) -> str:
        """Aligned columns."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in self.rows)
        return "\n".join([self.title, *("  ".join(cells) for cells in lines)])

    def markdown(self) -> str:
        """A table of Markdown under a heading."""
        head, *body = self.rows
        rule = ["---", *["---:"] * (len(head) - 1)]
        return "\n".join([f"### {self.title}", "", *(f"| {' | '.join(row)} |" for row in (head, rule, *body))])


def tables(result: Result) -> list[Table]:
    """Speech, also by groups of speakers if there are several; use of codebooks; speed: what was measured of them."""
    told = []
    if result.metrics:
        told.append(_speech(result, f"Speech: {len(result.utterances)} utterances, means ± 95 % confidence"))
    if result.metrics and len(result.groups) > 1:
        told += [_speech(result, f"Speech of {name}", ids) for name, ids in result.groups.items()]
    if result.codebook_use:
        told.append(_codebook_use(result))
    if result.speed:
        told.append(_speed(result))
    return told


def _speech(result: Result, title: str, ids: Collection[str] | None = None) -> Table:
    head = ["codec", "levels", "kbit/s", *(f"{m.title} {BETTER[m.better]}" for m in result.metrics)]
    return Table(title, [head, *(_row(result, row, ids) for row in result.rows)])


def _row(result: Result, row: Row, ids: Collection[str] | None) -> list[str]:
    subject, means = row.subject, result.means(row, ids)
    levels = NOTHING if subject.levels is None else str(subject.levels)
    rate = NOTHING if subject.kbit_per_second is None else f"{subject.kbit_per_second:g}"
    return [subject.codec, levels, rate, *(_cell(m, means[m.name]) for m in result.metrics)]


def _cell(metric: Metric, mean: Mean | None) -> str:
    if mean is None:
        return NOTHING
    return f"{mean.mean:.{metric.digits}f} ± {mean.half_width:.{metric.digits}f}"


def _codebook_use(result: Result) -> Table:
    frames = ", ".join(f"{found.frames} frames of {label}" for label, found in result.codebook_use.items())
    most = max(len(found.used) for found in result.codebook_use.values())
    head = ["codec", "", *(f"level {level}" for level in range(1, most + 1))]
    rows = []
    for label, found in result.codebook_use.items():
        blank = [NOTHING] * (most - len(found.used))
        rows.append([label, "entropy (bits)", *(f"{bits:.2f}" for bits in found.entropy_bits), *blank])
        rows.append([label, "codes used (%)", *(f"{100 * share:.1f}" for share in found.used), *blank])
    return Table(f"Use of codebooks: {frames}", [head, *rows])


def _speed(result: Result) -> Table:
    head = ["codec", "", "real-time factor ↓", "peak memory (MB) ↓", "before work (MB)"]
    rows = [
        [
            label,
            name,
            f"{timing.real_time_factor:.4f}",
            f"{timing.peak_bytes / 1e6:.0f}",
            f"{timing.idle_bytes / 1e6:.0f}",
        ]
        for label, speed in result.speed.items()
        for name, timing in (("encode", speed.encode), ("decode", speed.decode))
    ]
    longest = max(speed.longest_seconds for speed in result.speed.values())
    return Table(f"Speed: one thread, utterances of up to {longest:.1f} s", [head, *rows])
