"""Lines of text files of a corpus, each with the name under which errors tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .row import Rejected

LONGEST_LINE = 1_000_000
"""Bytes; a longer line is no transcript of an utterance."""


def read_lines(path: Path, name: str) -> Iterator[tuple[str, str] | Rejected]:
    """(where, line) of every line that is not blank, without its end; a line that is not UTF-8 or is far too long is
    `Rejected`. Lines end at line feeds alone, as U+2028 and the like may stand in a text."""
    try:
        file = path.open("rb")
    except OSError as error:
        yield Rejected(name, f"cannot be read ({error.strerror})")
        return
    with file:
        for number, raw in enumerate(_raw_lines(file), start=1):
            where = f"{name}, line {number}"
            if len(raw) >= LONGEST_LINE:
                yield Rejected(where, f"is too long, allowed: {LONGEST_LINE} bytes")
                continue
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                yield Rejected(where, f"is not UTF-8 text (byte {error.start})")
                continue
            if line.strip():
                yield where, line


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines, of those that are too long the beginning: a file without line ends is not read into memory."""
    while raw := file.readline(LONGEST_LINE):
        yield raw
        while len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST_LINE)


def read_short(path: Path, limit: int = LONGEST_LINE) -> str:
    """A text file that holds one transcript or object; ValueError if it is not UTF-8 or too long, OSError."""
    with path.open("rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise ValueError(f"is longer than {limit} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from error
