"""Settings of `python -m vall_e.plot`, which draws the curves of runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .setting import setting

FORMATS = ("png", "html")


class XAxis(Enum):
    """Over what curves are drawn."""

    step = "step"
    time = "time"
    tokens = "tokens"


@dataclass(kw_only=True)
class PlotConfig:
    """Which curves of which runs are drawn, and how."""

    runs: list[str] = setting([], "Folders of training runs, or metrics.jsonl files, to be drawn together.")
    metrics: list[str] = setting(
        ["loss", "*acc", "*.mel_stft"], "Names of metrics, a chart each; * stands for any part of a name."
    )
    smoothing: float = setting(
        0.9,
        "Share of the past in the exponential mean that is drawn over the faint points; 0 draws the points alone. "
        "Curves of at most 50 points are never smoothed.",
        at_least=0,
        below=1,
    )
    x_axis: XAxis = setting(
        XAxis.step, "Optimizer steps, hours since the run's first line (time), or positions trained on (tokens)."
    )
    folder: str | None = setting(None, "Where to write; null is the folder of this command's log.")
    name: str = setting("curves", "Stem of the files.")
    formats: list[str] = setting(["png", "html"], "A picture (png), a page to point at (html).", allowed=FORMATS)

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        for setting_name in ("metrics", "formats"):
            if not getattr(self, setting_name):
                yield f"{setting_name}=[] leaves nothing to draw"
        if twice := next((run for run in self.runs if self.runs.count(run) > 1), None):
            yield f"runs={self.runs} names {twice} twice"
        if not self.name or "/" in self.name:
            yield f"name={self.name!r} is no name of a file: give the folder as folder=PATH"
