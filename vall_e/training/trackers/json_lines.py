"""The numbers of a run as a text file, line by line."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vall_e.atomic import replacing

log = logging.getLogger(__name__)

FILE = "metrics.jsonl"


class JsonLines:
    """Appends to a file: {"step": ..., "time": seconds since 1970, name: value, ...}, every line written at once.

    What is not finite is null. A run that is resumed goes on in the same file.
    """

    name = FILE

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        _end_last_line(path)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def truncate(self, step: int) -> None:
        """Drop the lines of later steps, and damaged ones."""
        self._file.close()
        with replacing(self.path) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in read_metrics(self.path) if row["step"] <= step)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write a line."""
        kept = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"step": step, "time": round(time.time(), 3), **kept}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; one that a crash left unfinished is told of and left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                row["step"] = int(row["step"])
            except (ValueError, TypeError, KeyError, OverflowError):
                log.warning("%s: line %d is damaged and left out", path, number)
            else:
                yield row


def _end_last_line(path: Path) -> None:
    """After a crash the last line may lack its end; the next one shall not be lost with it."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
