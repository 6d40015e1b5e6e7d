"""`python -m vall_e.train_codec audio=FOLDER`: train the built-in codec; the same command resumes a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import hydra

from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.config.conf_dir import conf_dir
from vall_e.config.startup import open_alone, opens_with
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="train_codec", **VERSION_BASE)
@opens_with(partial(open_alone, kind=CodecTrainingConfig), several=True)
def run(cfg: CodecTrainingConfig) -> float:
    """Train until `steps`; a sweep gets the mean loss of the last steps."""
    from vall_e.codec_training.loop import train_codec

    return train_codec(cfg, Path(cfg.out))


def main() -> None:
    """Entry point of `vall-e-train-codec`."""
    launch(run, "train_codec", CodecTrainingConfig)


if __name__ == "__main__":
    main()
