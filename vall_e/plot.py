"""`python -m vall_e.plot runs=[RUN,...]`: draw the curves of one or several training runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

from vall_e.config.conf_dir import conf_dir
from vall_e.config.plot import PlotConfig
from vall_e.config.startup import open_alone, opens_with
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="plot", **VERSION_BASE)
@opens_with(partial(open_alone, kind=PlotConfig))
def run(cfg: PlotConfig) -> None:
    """Draw once."""
    from vall_e.training.plots.plot import plot

    plot(cfg, Path(cfg.folder or HydraConfig.get().runtime.output_dir))


def main() -> None:
    """Entry point of `vall-e-plot`."""
    launch(run, "plot", PlotConfig)


if __name__ == "__main__":
    main()
