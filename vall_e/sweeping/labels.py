"""Short words for the settings in which the jobs of a sweep differ: for the table and the picture, not for the CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from .leaderboard import Leaderboard

WIDEST = 30
"""Characters of a value."""


def labels(board: Leaderboard) -> list[dict[str, str]]:
    """Short value by short name, a dict a job."""
    columns = {
        name: short_values([job.settings.get(key, "") for job in board.jobs])
        for key, name in short_names(board.parameters).items()
    }
    return [{name: values[row] for name, values in columns.items()} for row in range(len(board.jobs))]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Name by key: `learning_rate` for `hyperparameters.learning_rate`, where no other key ends so."""
    last = {key: key.rpartition(".")[2] for key in keys}
    times = Counter(last.values())
    return {key: name if times[name] == 1 else key for key, name in last.items()}


def short_values(values: Sequence[str]) -> list[str]:
    """Numbers to four digits; paths without the folders that all of them begin or end with."""
    paths = [value.split("/") for value in values]
    known = [path for path in paths if path != [""]]  # a job may lack a setting
    shortest = min(map(len, known), default=1)
    head = min(_shared(known), shortest - 1)
    tail = min(_shared([path[::-1] for path in known]), shortest - 1 - head)
    return [_short("/".join(path[head : len(path) - tail])) for path in paths]


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """With how many equal parts all of them begin."""
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False)))


def _short(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value if len(value) <= WIDEST else f"…{value[1 - WIDEST :]}"
    return value if len(value) <= 6 else f"{number:.4g}"
