"""The curves of a run as a picture."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vall_e.atomic import replacing

from .trackers.json_lines import read_metrics

log = logging.getLogger(__name__)

Numbers = npt.NDArray[np.float64]
Curve = tuple[Numbers, Numbers]

# A curve is smoothed over this share of its points.
SMOOTHING = 0.02


@dataclass(frozen=True)
class Panel:
    """A chart: which metrics it shows, as a pattern over their names, and what is written beside it."""

    names: str
    title: str
    smooth: bool = True


PANELS = (
    Panel(r"loss", "loss"),
    Panel(r"(\w+\.)?acc(uracy)?", "accuracy"),
    Panel(r"(loss|nll)\.level\d+", "loss by level"),
    Panel(r"\w+\.mel_stft", "mel-STFT of evaluations, lower is better", smooth=False),
)


def plot_curves(metrics: Path, out: Path, charts: Sequence[Panel] = PANELS) -> None:
    """Draw the `charts` of a `metrics.jsonl` over steps into the PNG `out`, atomically.

    Metrics that were never logged get no chart; with none at all nothing is written.
    """
    curves = read_curves(metrics)
    panels = [(panel, shown) for panel in charts if (shown := _shown(panel, curves))]
    if not panels:
        log.info("%s holds nothing to draw", metrics)
        return
    from matplotlib.figure import Figure  # at the end of a run, so that its start need not wait for it

    rows, columns = (len(panels) + 1) // 2, min(len(panels), 2)
    figure = Figure(figsize=(6.4 * columns, 3.8 * rows), dpi=120, layout="constrained")
    for place, (panel, names) in enumerate(panels, 1):
        _draw(figure.add_subplot(rows, columns, place), panel, {name: curves[name] for name in names})
    figure.suptitle(metrics.resolve().parent.name)
    with replacing(out) as partial:
        figure.savefig(partial, format="png")


def read_curves(metrics: Path) -> dict[str, Curve]:
    """(steps, values), float64 [points] each, of every metric; points that are not finite are left out."""
    return {name: curve for name, curve in read_columns(metrics).items() if name != "time"}


def read_columns(metrics: Path) -> dict[str, Curve]:
    """As `read_curves`, with the column `time` too: seconds since 1970."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in read_metrics(metrics):
        for name, value in row.items():
            if name != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                points.setdefault(name, []).append((row["step"], value))
    arrays = {name: np.array(found, np.float64).T for name, found in points.items()}
    return {name: (array[0], array[1]) for name, array in arrays.items()}


def smoothed(values: Numbers) -> Numbers:
    """Mean over a window around each point, cut off at the ends: [points] -> [points]."""
    half = int(len(values) * SMOOTHING / 2)
    total = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(0, np.arange(len(values)) - half)
    end = np.minimum(len(values), np.arange(len(values)) + half + 1)
    mean: Numbers = (total[end] - total[first]) / (end - first)
    return mean


def _shown(panel: Panel, curves: dict[str, Curve]) -> list[str]:
    return sorted((name for name in curves if re.fullmatch(panel.names, name)), key=natural)


def natural(name: str) -> list[Any]:
    """Orders level10 after level9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _draw(axes: Any, panel: Panel, curves: dict[str, Curve]) -> None:
    for name, (steps, values) in curves.items():
        if not panel.smooth:
            axes.plot(steps, values, marker="o", label=name.partition(".")[0])
            continue
        line = axes.plot(steps, smoothed(values), label=name)[0]
        if len(curves) == 1:
            axes.plot(steps, values, color=line.get_color(), alpha=0.25, linewidth=0.8, zorder=1)
    axes.set_title(panel.title)
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
