"""The leaderboard in aligned columns, for the log."""

from __future__ import annotations

from .job_result import JobResult, Status
from .labels import labels, short_names
from .leaderboard import Leaderboard

WIDEST = 120
"""Characters of a remark."""


def table(board: Leaderboard) -> str:
    """A row a job: rank, folder, objective, the settings in which the jobs differ, seconds, what went wrong."""
    rows = [["rank", "job", board.sweep.objective, *short_names(board.parameters).values(), "seconds", ""]]
    for place, (job, settings) in enumerate(zip(board.jobs, labels(board), strict=True), 1):
        rank, objective = ("", "") if job.objective is None else (str(place), f"{job.objective:.5g}")
        seconds = "" if job.seconds is None else f"{job.seconds:.1f}"
        rows.append([rank, job.folder, objective, *settings.values(), seconds, _remark(job)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _remark(job: JobResult) -> str:
    if job.status is Status.finished:
        return ""
    told = f"{job.status.value}: {job.error}" if job.error else job.status.value
    return told if len(told) <= WIDEST else f"{told[: WIDEST - 1]}…"
