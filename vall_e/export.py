"""`python -m vall_e.export run=FOLDER`: write trained weights in another form."""

from __future__ import annotations

from functools import partial

import hydra

from vall_e.config.conf_dir import conf_dir
from vall_e.config.export import ExportConfig
from vall_e.config.startup import open_alone, opens_with
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="export", **VERSION_BASE)
@opens_with(partial(open_alone, kind=ExportConfig))
def run(cfg: ExportConfig) -> None:
    """Export once."""
    from vall_e.engines.export import export

    export(cfg)


def main() -> None:
    """Entry point of `vall-e-export`."""
    launch(run, "export", ExportConfig)


if __name__ == "__main__":
    main()
