"""`python -m vall_e.evaluate_codec audio=FOLDER`: how well codecs keep speech, how they use their codes, how fast."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

from vall_e.config.codec_evaluation import CodecEvaluationConfig
from vall_e.config.conf_dir import conf_dir
from vall_e.config.startup import open_alone, opens_with
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch


@hydra.main(config_path=conf_dir(), config_name="evaluate_codec", **VERSION_BASE)
@opens_with(partial(open_alone, kind=CodecEvaluationConfig))
def run(cfg: CodecEvaluationConfig) -> None:
    """Measure once, into `out`, or into a folder a job in a sweep; what was measured there before is taken over."""
    try:
        from vall_e.evaluation.codec.evaluate import evaluate_codecs

        evaluate_codecs(cfg, Path(HydraConfig.get().runtime.output_dir))
    except KeyboardInterrupt:
        print("Stopped. What was measured is kept: the same command goes on.", file=sys.stderr)
        sys.exit(130)


def main() -> None:
    """Entry point of `vall-e-evaluate-codec`."""
    launch(run, "evaluate_codec", CodecEvaluationConfig)


if __name__ == "__main__":
    main()
