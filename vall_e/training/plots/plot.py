"""From the settings of a plot to its files."""

from __future__ import annotations

import logging
from pathlib import Path

from vall_e.config.plot import PlotConfig, XAxis
from vall_e.errors import ConfigError

from .chart import charts
from .page import show_charts
from .picture import draw_picture
from .run_curves import read_runs

log = logging.getLogger(__name__)

X_LABELS = {XAxis.step: "step", XAxis.time: "hours", XAxis.tokens: "tokens"}


def plot(cfg: PlotConfig, folder: Path) -> list[Path]:
    """Draw the runs into `folder`; returns the files, in the order of `formats`.

    ConfigError for runs and metrics that are not there and a folder that cannot be written to, DataError for a log
    without numbers.
    """
    runs = read_runs(cfg.runs, cfg.x_axis)
    found, x_label = charts(runs, cfg.metrics, cfg.smoothing), X_LABELS[cfg.x_axis]
    paths = [folder / f"{cfg.name}.{kind.lower()}" for kind in cfg.formats]
    for path in paths:
        try:
            if path.suffix == ".png":
                draw_picture(path, found, [run.label for run in runs], x_label)
            else:
                show_charts(path, found, runs, x_label, cfg.smoothing)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}; give another folder=PATH") from error
        log.info("%s", path)
    return paths
