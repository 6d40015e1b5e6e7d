"""`python -m vall_e.train`: train a model on a prepared dataset; the same command resumes a run."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

from vall_e.config.conf_dir import conf_dir
from vall_e.config.schema import Config
from vall_e.config.startup import starts
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="train", **VERSION_BASE)
@starts(needs=("tokenizer", "dataset", "weights"), several=True)
def run(cfg: Config) -> float:
    """Train until `trainer.iterations`; a sweep gets the mean loss of the last steps."""
    from vall_e.training.loop import train

    return train(cfg, Path(HydraConfig.get().runtime.output_dir))


def main() -> None:
    """Entry point of `vall-e-train`."""
    launch(run, "train")


if __name__ == "__main__":
    main()
