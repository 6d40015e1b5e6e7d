"""Charts as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vall_e.atomic import replacing

from .chart import Chart, Line
from .colours import ON_WHITE, colour, dashes

FAINT = 0.25


def draw_picture(path: Path, charts: Sequence[Chart], labels: Sequence[str], x_label: str) -> None:
    """Write the PNG `path`, atomically: a chart for each metric, a colour for each run."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}), replacing(path) as partial:  # a $ in a name is no formula
        drawn(charts, labels, x_label).savefig(partial, format="png")


def drawn(charts: Sequence[Chart], labels: Sequence[str], x_label: str) -> Any:
    """The figure, of matplotlib."""
    from matplotlib.figure import Figure

    columns = min(2, len(charts))
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(6.4 * columns, 3.8 * rows + 0.3), dpi=120, layout="constrained")
    for place, chart in enumerate(charts, 1):
        axes = figure.add_subplot(rows, columns, place)
        for line in chart.lines:
            _draw(axes, line)
        axes.set_title(chart.metric)
        axes.set_xlabel(x_label)
        axes.grid(alpha=0.3)
    _name_runs(figure, labels)
    return figure


def _draw(axes: Any, line: Line) -> None:
    style: dict[str, Any] = {"color": ON_WHITE[colour(line.run)], "linewidth": 1.5}
    if dashes(line.run):
        style["dashes"] = dashes(line.run)
    if line.smooth is not None:
        axes.plot(line.x, line.values, color=style["color"], alpha=FAINT, linewidth=0.8, zorder=1)
    axes.plot(line.x, line.shown, marker="o" if line.sparse else None, markersize=4, **style)


def _name_runs(figure: Any, labels: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    if len(labels) == 1:
        figure.suptitle(labels[0])
        return
    handles = [
        Line2D([], [], color=ON_WHITE[colour(run)], dashes=dashes(run) or (None, None)) for run in range(len(labels))
    ]
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False)
