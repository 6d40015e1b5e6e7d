"""The jobs of a sweep in the order of their objectives."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vall_e.atomic import replace_text

from .job_result import JobResult, Status
from .sweep import Sweep


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The jobs of a sweep, best first; those without an objective come last, by number."""

    sweep: Sweep
    jobs: list[JobResult]
    parameters: list[str]
    """Keys of the settings in which the jobs differ."""

    @property
    def ranked(self) -> list[JobResult]:
        """The jobs with an objective, best first."""
        return [job for job in self.jobs if job.objective is not None]

    def count(self, status: Status) -> int:
        """How many jobs ended so."""
        return sum(job.status is status for job in self.jobs)

    @property
    def summary(self) -> str:
        """`12 jobs, 2 failed, 1 unfinished`."""
        counts = {"job" if len(self.jobs) == 1 else "jobs": len(self.jobs)}
        counts |= {status.value: self.count(status) for status in (Status.failed, Status.unfinished)}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def rank(sweep: Sweep, results: Sequence[JobResult]) -> Leaderboard:
    """The leaderboard of `results`; equal objectives are ordered by number."""
    sign = -1 if sweep.maximize else 1

    def order(job: JobResult) -> tuple[bool, float, int]:
        return job.objective is None, sign * (job.objective or 0.0), job.number

    return Leaderboard(sweep=sweep, jobs=sorted(results, key=order), parameters=differing(results))


def differing(results: Sequence[JobResult]) -> list[str]:
    """Keys of the settings that do not have one value in all jobs, in the order in which they were typed."""
    keys = dict.fromkeys(key for job in results for key in job.settings)
    return [key for key in keys if len({job.settings.get(key) for job in results}) > 1]


def write_csv(board: Leaderboard, path: Path) -> None:
    """Write rank, job, status, objective, seconds, the differing settings and the error, a row a job, atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", "job", "status", "objective", "seconds", *board.parameters, "error"])
    for place, job in enumerate(board.jobs, 1):
        settings = [job.settings.get(key) for key in board.parameters]
        position = place if job.objective is not None else None
        writer.writerow([position, job.folder, job.status.value, job.objective, job.seconds, *settings, job.error])
    replace_text(path, text.getvalue())
