"""What became of one job of a sweep, kept as `job.json` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from vall_e.atomic import replace_text

from .sweep import Sweep

FILE = "job.json"


class Status(Enum):
    """How far a job came."""

    unfinished = "unfinished"
    """It runs, or was interrupted."""
    finished = "finished"
    failed = "failed"


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """A job, its settings and its outcome."""

    sweep: str
    number: int
    folder: str
    """Relative to the folder of the sweep."""
    overrides: list[str]
    """As typed: `seed=1`."""
    status: Status = Status.unfinished
    objective: float | None = None
    """Finite; None if the job returned no such number."""
    seconds: float | None = None
    error: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Value by key of the overrides."""
        parts = (override.lstrip("+").partition("=") for override in self.overrides)
        return {key: value for key, _, value in parts}


def write_result(sweep: Sweep, result: JobResult) -> None:
    """Keep a result in the folder of its job, atomically."""
    content = asdict(result) | {"status": result.status.value}
    replace_text(sweep.folder / result.folder / FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_results(sweep: Sweep) -> list[JobResult]:
    """The results of all jobs of a sweep that have begun, by number."""
    contents = (_read(path) for path in sweep.folder.rglob(FILE))
    results = [
        JobResult(**content | {"status": Status(content["status"])})
        for content in contents
        if isinstance(content, dict) and content.get("sweep") == sweep.id
    ]
    return sorted(results, key=lambda result: result.number)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # of somebody else: ours are written atomically
