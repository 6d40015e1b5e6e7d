"""`python -m vall_e.prepare dataset.source=FOLDER`: turn recordings into the HDF5 dataset of training."""

from __future__ import annotations

import hydra

from vall_e.config.conf_dir import conf_dir
from vall_e.config.schema import Config
from vall_e.config.startup import starts
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="prepare", **VERSION_BASE)
@starts()
def run(cfg: Config) -> None:
    """Prepare `dataset.source` into `dataset.hdf5_name`."""
    from vall_e.data.prepare import prepare
    from vall_e.text import open_tokenizer

    prepare(cfg, tokenizer=open_tokenizer(cfg.tokenizer, cfg.tokenizer_path))


def main() -> None:
    """Entry point of `vall-e-prepare`."""
    launch(run, "prepare")


if __name__ == "__main__":
    main()
