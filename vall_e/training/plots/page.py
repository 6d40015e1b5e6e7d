"""Charts as a page to point at, which needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vall_e.page import write_page

from ..curves import Numbers
from .axis import Axis, axis
from .chart import Chart, Line
from .colours import ON_BLACK, ON_WHITE, colour, dashes
from .run_curves import RunCurves
from .thinning import thinned

TEMPLATE = Path(__file__).with_name("page.html.j2")
WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 66, 612, 10, 300
"""Edges of the plotted area, in units of the drawing."""
MOST_NAMES = 4
"""Runs that the title names."""
MOST_POINTS = 2000
"""Of a curve with more points its extremes are kept, about as many."""


def show_charts(path: Path, charts: Sequence[Chart], runs: Sequence[RunCurves], x_label: str, smoothing: float) -> None:
    """Write `path`, atomically: the charts as SVG, with their numbers for the one who points at them."""
    drawn = [_chart(chart) for chart in charts]
    write_page(
        path,
        TEMPLATE,
        title=", ".join(run.label for run in runs) if len(runs) <= MOST_NAMES else f"{len(runs)} runs",
        runs=[{"label": run.label, "path": run.path, **_style(place)} for place, run in enumerate(runs)],
        charts=drawn,
        numbers=_numbers(drawn, runs, x_label),
        last=[[_last(chart, place) for chart in charts] for place in range(len(runs))],
        x_label=x_label,
        smoothing=smoothing if any(line.smooth is not None for chart in charts for line in chart.lines) else 0,
        thinned=any(len(line.x) > MOST_POINTS for chart in charts for line in chart.lines),
        palettes={"light": ON_WHITE, "dark": ON_BLACK},
        size=(WIDTH, HEIGHT),
        edges={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
    )


def _numbers(drawn: Sequence[dict[str, Any]], runs: Sequence[RunCurves], x_label: str) -> dict[str, Any]:
    """What the script of the page knows."""
    return {
        "x": x_label,
        "width": WIDTH,
        "left": LEFT,
        "right": RIGHT,
        "runs": [run.label for run in runs],
        "colours": [colour(place) for place in range(len(runs))],
        "charts": [
            {"metric": chart["metric"], "domain": chart["domain"], "lines": [line["points"] for line in chart["lines"]]}
            for chart in drawn
        ],
    }


def _chart(chart: Chart) -> dict[str, Any]:
    x = axis((line.x for line in chart.lines), LEFT, RIGHT, margin=0.0)
    y = axis((line.values for line in chart.lines), BOTTOM, TOP, margin=0.05)
    return {
        "metric": chart.metric,
        "x_ticks": x.ticks(),
        "y_ticks": y.ticks(),
        "domain": (x.low, x.high),
        "lines": [_line(line, x, y) for line in chart.lines],
    }


def _line(line: Line, x: Axis, y: Axis) -> dict[str, Any]:
    """What the template draws of a line, and `points`, its numbers."""
    kept = thinned(line.values, MOST_POINTS)
    places, smooth = x.at(line.x[kept]), None if line.smooth is None else line.smooth[kept]
    shown, values = y.at(line.shown[kept]), y.at(line.values[kept])
    return {
        **_style(line.run),
        "run": line.run,
        "main": _polyline(places, shown),
        "faint": "" if smooth is None else _polyline(places, values),
        "marks": list(zip(places.tolist(), shown.tolist(), strict=True)) if line.sparse else [],
        "points": {
            "run": line.run,
            "x": line.x[kept].tolist(),
            "values": line.values[kept].tolist(),
            "smooth": None if smooth is None else smooth.tolist(),
        },
    }


def _polyline(x: Numbers, y: Numbers) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in np.stack([x, y], axis=1).tolist())


def _style(run: int) -> dict[str, Any]:
    return {"colour": colour(run), "dashes": " ".join(map(str, dashes(run)))}


def _last(chart: Chart, run: int) -> float | None:
    return next((float(line.shown[-1]) for line in chart.lines if line.run == run), None)
