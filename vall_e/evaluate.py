"""`python -m vall_e.evaluate weights=W`: measure trained weights on the speech of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

from vall_e.config.conf_dir import conf_dir
from vall_e.config.schema import Config
from vall_e.config.startup import starts
from vall_e.config.versions import VERSION_BASE
from vall_e.errors import ConfigError
from vall_e.launch import launch

OF_THE_WEIGHTS = ("model", "tokenizer", "tokenizer_path")


@hydra.main(config_path=conf_dir(), config_name="evaluate", **VERSION_BASE)
@starts(needs=("dataset",))
def run(cfg: Config) -> float:
    """Evaluate `weights`; a sweep gets the mean mel-STFT over validation speech."""
    from vall_e.evaluation.evaluate import evaluate

    started = HydraConfig.get()
    refuse_ignored(started.overrides.task)
    return evaluate(cfg, Path(started.runtime.output_dir))


def refuse_ignored(overrides: Sequence[str]) -> None:
    """ConfigError for an override of what the weights file decides; such a setting would do nothing."""
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key.partition("@")[0].partition(".")[0] in OF_THE_WEIGHTS:
            raise ConfigError(f"{override} has no effect: the weights file brings its own model and tokenizer")


def main() -> None:
    """Entry point of `vall-e-evaluate`."""
    launch(run, "evaluate")


if __name__ == "__main__":
    main()
