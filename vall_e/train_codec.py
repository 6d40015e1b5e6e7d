"""`python -m vall_e.train_codec audio=FOLDER`: train the built-in codec."""

from __future__ import annotations

from functools import partial

import hydra

from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.config.conf_dir import conf_dir
from vall_e.config.startup import open_alone, opens_with
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="train_codec", **VERSION_BASE)
@opens_with(partial(open_alone, kind=CodecTrainingConfig))
def run(cfg: CodecTrainingConfig) -> None:
    """Train until `steps`."""
    from vall_e.audio.builtin.training import train_codec

    train_codec(cfg)


def main() -> None:
    """Entry point of `vall-e-train-codec`."""
    launch(run, "train_codec", CodecTrainingConfig)


if __name__ == "__main__":
    main()
