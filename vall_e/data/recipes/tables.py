"""Tables of a corpus as fields by column: CSV, TSV, lines of JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .lines import read_lines
from .row import Rejected

Fields = tuple[str, dict[str, str]]
"""Where a row stands, and its fields by lower-case column."""

NOT_CSV = "has a quote that is not closed, text after one, or too long a field"
JOINED_LINES = 20
"""Lines that a quoted field may span; an unclosed quote would otherwise swallow the rest of the file."""


def read_table(path: Path, name: str) -> Iterator[Fields | Rejected]:
    """Rows of a .csv, .tsv or .jsonl file that has a header, or names its fields."""
    lines = read_lines(path, name)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _json_rows(lines)
    if path.suffix.lower() == ".csv":
        return _with_header(_csv_rows(lines))
    return _with_header(split_rows(lines, "\t"))


def split_rows(lines: Iterable[tuple[str, str] | Rejected], mark: str) -> Iterator[tuple[str, list[str]] | Rejected]:
    """Rows whose fields are parted by `mark`; quotes mean nothing."""
    for line in lines:
        yield line if isinstance(line, Rejected) else (line[0], line[1].split(mark))


def _csv_rows(lines: Iterable[tuple[str, str] | Rejected]) -> Iterator[tuple[str, list[str]] | Rejected]:
    """Rows of quoted CSV. A line whose quote is never closed is rejected by itself, and reading goes on after it."""
    waiting = list(lines)
    at, mark = 0, ""
    while at < len(waiting):
        line = waiting[at]
        at += 1
        if isinstance(line, Rejected):
            yield line
            continue
        mark = mark or max(",;\t|", key=line[1].count)
        fields, used = _parsed(waiting, at - 1, mark)
        yield Rejected(line[0], NOT_CSV) if fields is None else (line[0], fields)
        at += used - 1


def _parsed(lines: list[tuple[str, str] | Rejected], at: int, mark: str) -> tuple[list[str] | None, int]:
    """The fields of the row that begins at a line, None if it is no CSV, and how many lines it takes."""
    text = ""
    for used, line in enumerate(lines[at : at + JOINED_LINES], start=1):
        if isinstance(line, Rejected):
            break
        text += ("\n" if text else "") + line[1]
        if text.count('"') % 2 == 0:
            try:
                return next(csv.reader([text], delimiter=mark, strict=True)), used
            except csv.Error:
                break
    return None, 1


def _with_header(rows: Iterable[tuple[str, list[str]] | Rejected]) -> Iterator[Fields | Rejected]:
    header: list[str] | None = None
    for row in rows:
        if isinstance(row, Rejected):
            yield row
        elif header is None:
            header = [name.strip().lower() for name in row[1]]
        elif len(row[1]) > len(header):
            yield Rejected(row[0], f"has {len(row[1])} fields, but the header has {len(header)}")
        else:
            yield row[0], dict(zip(header, row[1], strict=False))


def _json_rows(lines: Iterable[tuple[str, str] | Rejected]) -> Iterator[Fields | Rejected]:
    for line in lines:
        yield line if isinstance(line, Rejected) else json_fields(*line)


def json_fields(where: str, text: str) -> Fields | Rejected:
    """The fields of a JSON object; a number counts as its text, other values as none."""
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Rejected(where, f"is not JSON ({error})")
    if not isinstance(values, dict):
        return Rejected(where, f"an object with path, speaker, text and lang is wanted, not {text.strip()[:40]!r}")
    plain = {name.lower(): value for name, value in values.items() if isinstance(value, (str, int, float))}
    return where, {name: value if isinstance(value, str) else f"{value}" for name, value in plain.items()}
