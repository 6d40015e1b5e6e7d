"""What differs between two runs: settings and where they came from, then packages and code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..dotted import flat
from ..origins import origin_of
from .run_record import LAUNCHES, RunRecord, read_record

Row = tuple[str, str, str]  # key, in the one run, in the other

ABSENT = "-"
ENVIRONMENT = ("app", "python", "platform")


def run_diff(one: Path, other: Path) -> int:
    """Print how the runs in two folders differ; 1 if they do, 0 if not. ConfigError for a folder that is no run's."""
    runs = read_record(one), read_record(other)
    for run in runs:
        if not run.launches:
            print(f"{run.folder} holds no {LAUNCHES}: packages and code are not compared")
    found = {title: rows for title, rows in _sections(*runs) if rows}
    print(table((str(one), str(other)), found) if found else f"{one} and {other} do not differ")
    return 1 if found else 0


def _sections(one: RunRecord, other: RunRecord) -> Iterator[tuple[str, list[Row]]]:
    yield "settings", differing_settings(one, other)
    if one.launches and other.launches:
        left, right = one.environment, other.environment
        yield "environment", differing(*({key: of.get(key) for key in ENVIRONMENT} for of in (left, right)))
        yield "packages", differing(left.get("packages", {}), right.get("packages", {}))
        yield "git", differing(left.get("git", {}), right.get("git", {}))


def differing_settings(one: RunRecord, other: RunRecord) -> list[Row]:
    """The settings that differ, each value with its origin."""
    return [
        (key, _with_origin(key, in_one, one), _with_origin(key, in_other, other))
        for key, in_one, in_other in differing(one.settings, other.settings)
    ]


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Row]:
    """The dotted keys whose values differ, with the values as JSON; `-` where a tree lacks the key."""
    trees = flat(one), flat(other)
    rows = [(key, *(_shown(tree, key) for tree in trees)) for key in trees[0] | trees[1]]
    return [(key, in_one, in_other) for key, in_one, in_other in rows if in_one != in_other]


def _shown(tree: dict[str, Any], key: str) -> str:
    return json.dumps(tree[key], ensure_ascii=False, default=str) if key in tree else ABSENT


def _with_origin(key: str, value: str, run: RunRecord) -> str:
    if value == ABSENT or not run.origins:
        return value
    return f"{value} ({origin_of(key, run.origins) or 'default'})"


def table(heads: tuple[str, str], sections: Mapping[str, list[Row]]) -> str:
    """Sections of rows in three aligned columns below the names of the runs."""
    rows = [("", *heads)]
    for title, lines in sections.items():
        rows += [(title, "", ""), *((f"  {key}", one, other) for key, one, other in lines)]
    left, middle = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{key:<{left}}  {one:<{middle}}  {other}".rstrip() for key, one, other in rows)
