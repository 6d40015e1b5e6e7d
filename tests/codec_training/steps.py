"""`python -m tests.codec_training.steps AUDIO OUT`: train a tiny codec on all ranks of this launch."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from tests.codec_training.conftest import SMALL_ADVERSARY, TINY
from vall_e.codec_training.loop import train_codec
from vall_e.config.codec_training import CodecTrainingConfig


def settings(audio: str, out: Path) -> CodecTrainingConfig:
    """Those of one process and of two ranks alike."""
    return CodecTrainingConfig(
        audio=audio,
        holdout=["b"],
        steps=4,
        batch_size=4,
        clip_seconds=0.5,
        warmup_steps=0,
        optimizer="sgd",  # a first step of AdamW makes much of gradients that are almost 0
        learning_rate=3e-4,  # small, as sums in another order differ in bits that every step makes more of
        # Without refinement, which lets rounding errors of bins where tones are silent steer the gradients.
        shape=TINY | {"refinements": 0},
        device="cpu",
        adversary=SMALL_ADVERSARY,
        evaluation_frequency=0,
        evaluation_clips=1,
        evaluation_seconds=0.5,
        tensorboard=False,
        cache=str(out / "cache"),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_codec(settings(sys.argv[1], Path(sys.argv[2])), Path(sys.argv[2]))
