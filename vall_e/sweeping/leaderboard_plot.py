"""The leaderboard as a picture: every job by its objective, and the objective against each setting that is a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vall_e.atomic import replacing

from .job_result import JobResult
from .labels import labels, short_names
from .leaderboard import Leaderboard

MOST_JOBS = 40
MOST_PARAMETERS = 3
MOST_TICKS = 6
"""Up to this number of values of a setting, the axis is marked at the values."""
LOGARITHMIC = 15.0
"""Positive values that span more than this factor are drawn on a logarithmic axis."""
BEST, OTHERS, FAILED = "tab:green", "tab:blue", "tab:red"


def plot_leaderboard(board: Leaderboard, path: Path) -> None:
    """Draw the PNG `path`, atomically; of many jobs the best. At least one job has an objective."""
    from matplotlib import rc_context  # at the end of a sweep, so that no job waits for it

    with rc_context({"text.parse_math": False}), replacing(path) as partial:  # a $ in an error is no formula
        _drawn(board).savefig(partial, format="png")


def _drawn(board: Leaderboard) -> Any:
    from matplotlib.figure import Figure

    shown, numeric = board.jobs[:MOST_JOBS], numeric_parameters(board)[:MOST_PARAMETERS]
    height = max(1.4 + 0.3 * len(shown), 3.0 * len(numeric), 3.2)
    figure = Figure(figsize=(11.5 if numeric else 7.5, height), dpi=120, layout="constrained")
    grid = figure.add_gridspec(max(1, len(numeric)), 2 if numeric else 1, width_ratios=[1.6, 1.0] if numeric else [1.0])
    _draw_ranking(figure.add_subplot(grid[:, 0]), board, shown)
    for row, key in enumerate(numeric):
        _draw_against(figure.add_subplot(grid[row, 1]), board, key)
    cut = f" (the first {len(shown)} are shown)" if len(shown) < len(board.jobs) else ""
    figure.suptitle(f"{board.sweep.folder.name}: {board.summary}{cut}")
    return figure


def numeric_parameters(board: Leaderboard) -> list[str]:
    """Keys of the differing settings that are a number in every ranked job, and not the same one."""
    return [key for key in board.parameters if len(set(_numbers(board.ranked, key) or ())) > 1]


def _numbers(jobs: Sequence[JobResult], key: str) -> list[float] | None:
    try:
        return [float(job.settings[key]) for job in jobs]
    except (KeyError, ValueError):
        return None


def _draw_ranking(axes: Any, board: Leaderboard, shown: Sequence[JobResult]) -> None:
    ranked = [job for job in shown if job.objective is not None]
    values = [job.objective for job in ranked if job.objective is not None]
    rows = range(len(ranked))
    axes.scatter(values, rows, color=[BEST] + [OTHERS] * (len(ranked) - 1), zorder=3)
    for row, value in zip(rows, values, strict=True):
        axes.annotate(f"{value:.4g}", (value, row), (7, 0), textcoords="offset points", va="center", fontsize=8)
    for row, job in enumerate(shown[len(ranked) :], len(ranked)):
        told = f"{job.status.value}  {(job.error or '')[:60]}"
        axes.text(0.01, row, told, transform=axes.get_yaxis_transform(), va="center", color=FAILED, fontsize=8)
    axes.set_yticks(range(len(shown)), [_label(*row) for row in zip(shown, labels(board), strict=False)])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    _spread(axes, "x", values)
    axes.margins(x=0.12)
    axes.set_xlabel(f"{board.sweep.objective}, {board.sweep.better} is better")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _draw_against(axes: Any, board: Leaderboard, key: str) -> None:
    places = _numbers(board.ranked, key) or []
    values = [job.objective for job in board.ranked if job.objective is not None]
    if len(board.parameters) == 1:
        axes.plot(*zip(*sorted(zip(places, values, strict=True)), strict=True), color=OTHERS, alpha=0.5)
    axes.scatter(places, values, color=OTHERS, zorder=3)
    axes.scatter(places[0], values[0], color=BEST, zorder=4)
    _spread(axes, "x", places)
    _spread(axes, "y", values)
    if len(set(places)) <= MOST_TICKS:
        axes.set_xticks(sorted(set(places)), [f"{place:.4g}" for place in sorted(set(places))])
        axes.minorticks_off()
    axes.set_xlabel(short_names(board.parameters)[key])
    axes.set_ylabel(board.sweep.objective)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _spread(axes: Any, axis: str, values: Sequence[float]) -> None:
    """A logarithmic `x` or `y` axis with plain numbers, if positive values span orders of magnitude."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    if min(values) <= 0 or max(values) / min(values) < LOGARITHMIC:
        return
    axes.set(**{f"{axis}scale": "log"})
    ticks = axes.xaxis if axis == "x" else axes.yaxis
    ticks.set_major_locator(LogLocator(subs=(1, 3) if max(values) / min(values) < 1000 else (1,)))
    ticks.set_major_formatter(StrMethodFormatter("{x:g}"))
    ticks.set_minor_formatter(NullFormatter())


def _label(job: JobResult, settings: Mapping[str, str]) -> str:
    told = ", ".join(f"{name}={value}" for name, value in settings.items() if value)
    return f"{told}  [{job.folder}]" if told else f"[{job.folder}]"
