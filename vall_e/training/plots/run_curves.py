"""The curves of a run, over steps, hours or tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vall_e.config.plot import XAxis
from vall_e.errors import ConfigError, DataError

from ..curves import Curve, Numbers, read_columns
from ..trackers.json_lines import FILE

SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True)
class RunCurves:
    """A run by its label, and (x, values), float64 [points] each, of every metric it recorded."""

    label: str
    path: Path
    curves: dict[str, Curve]


def read_runs(runs: Sequence[str], x_axis: XAxis) -> list[RunCurves]:
    """The runs in their order; ConfigError or DataError for one that cannot be drawn."""
    if not runs:
        raise ConfigError("nothing to draw: give runs=[FOLDER,...], folders of training runs")
    return [
        RunCurves(label, path, over(x_axis, read_columns(path), path))
        for label, path in zip(labels(runs), map(metrics_file, runs), strict=True)
    ]


def metrics_file(run: str) -> Path:
    """The metrics of a run, given by its folder or by themselves."""
    path = Path(run) / FILE if Path(run).is_dir() else Path(run)
    if not path.is_file():
        told = f"holds no {FILE}" if Path(run).is_dir() else "is no folder of a training run"
        raise ConfigError(f"runs: {run} {told}, allowed: folders in which python -m vall_e.train has run")
    return path


def labels(runs: Sequence[str]) -> list[str]:
    """Names of the runs' folders, or the paths as they were given where names are not unique."""
    names = [_folder(run).resolve().name for run in runs]
    return [name if names.count(name) == 1 else run for name, run in zip(names, runs, strict=True)]


def over(x_axis: XAxis, columns: dict[str, Curve], path: Path) -> dict[str, Curve]:
    """Columns over steps as curves over `x_axis`; points of steps for which it was not recorded are left out."""
    metrics = {name: curve for name, curve in columns.items() if name != "time"}
    if not metrics:
        raise DataError(f"{path} holds no numbers: no step was made, or the file is damaged")
    if x_axis is XAxis.step:
        return metrics
    if x_axis.name not in columns:
        raise ConfigError(
            f"x_axis={x_axis.name} cannot be drawn: {path} does not record it, allowed: {_recorded(columns)}"
        )
    steps, values = columns[x_axis.name]
    if x_axis is XAxis.time:
        values = (values - values.min()) / SECONDS_AN_HOUR
    place = dict(zip(steps[::-1], values[::-1], strict=True))  # of lines with the same step the first counts
    return {name: _placed(curve, place) for name, curve in metrics.items()}


def _recorded(columns: dict[str, Curve]) -> str:
    return ", ".join(axis.name for axis in XAxis if axis is XAxis.step or axis.name in columns)


def _placed(curve: Curve, place: dict[float, float]) -> Curve:
    x: Numbers = np.array([place.get(step, np.nan) for step in curve[0]], np.float64)
    known = ~np.isnan(x)
    return x[known], curve[1][known]


def _folder(run: str) -> Path:
    return Path(run) if Path(run).is_dir() else Path(run).parent
