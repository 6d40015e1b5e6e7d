"""Models of masked decoding learn lengths and hidden frames, and speak."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.tiny import draw_codes
from tests.small_run import losses, rows
from vall_e.audio import open_codec
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.composing import compose_config
from vall_e.config.inference import InferenceConfig
from vall_e.config.schema import Config
from vall_e.config.startup import open_job
from vall_e.decoding.speaker import Speaker
from vall_e.models.weights.weights_file import load_weights
from vall_e.training.loop import train

SMALL = (
    "device=cpu",
    "model.size={dim:32,heads:2,layers:2}",
    "dataset.duration_range=[0.1,2]",
    "dataset.prompt_duration_range=[0.1,0.2]",
    "dataset.workers=0",
    "dataset.tasks_list=[tts,tts,len]",
    "hyperparameters=adamw",
    "hyperparameters.batch_size=8",
    "hyperparameters.learning_rate=3e-3",
    "hyperparameters.warmup_steps=0",
    "trainer.tensorboard=false",
    "evaluation.size=0",
)


def run(model: str, speech: Path, folder: Path, steps: int, *more: str) -> Config:
    overrides = [f"model={model}", *SMALL, f"dataset.hdf5_name={speech}", f"trainer.iterations={steps}", *more]
    cfg = open_job(compose_config("train", overrides))
    train(cfg, folder)
    return cfg


@pytest.mark.parametrize("model", ["nar-len-llama-8", "ar+nar-len-llama-8"])
def test_a_small_model_learns_and_speaks(model: str, speech: Path, tmp_path: Path) -> None:
    cfg = run(model, speech, tmp_path, 40, "model.experimental.rvq_levels_p=[0]")
    found = losses(tmp_path)
    assert all(math.isfinite(loss) for loss in found.values())
    first, last = (sum(found[step] for step in steps) / 8 for steps in (range(1, 9), range(33, 41)))
    assert last < first - 0.3
    assert any("nll.masked" in row for row in rows(tmp_path))
    assert any("nll.level0" in row for row in rows(tmp_path)) is ("ar" in cfg.model.capabilities)
    weights = load_weights(next(tmp_path.glob(f"ckpt/{cfg.model.full_name}/*.safetensors")), torch.device("cpu"))
    codec = open_codec(AudioBackend.builtin, CodecConfig(), "cpu")
    speaker = Speaker(weights, codec, InferenceConfig(phonemes=True, max_duration=40, max_steps=5))
    wave = speaker.speak("həloʊ", draw_codes(8), seed=0).wave
    assert 0 < len(wave) <= 40 * 320 and np.isfinite(wave).all()


def test_a_run_goes_on_with_the_masks_that_it_would_have_drawn(speech: Path, tmp_path: Path) -> None:
    more = ("model.experimental.masking_train_p=0.5", "trainer.save_frequency=3")
    run("ar+nar-len-llama-8", speech, tmp_path / "whole", 6, *more)
    run("ar+nar-len-llama-8", speech, tmp_path / "parts", 3, *more)
    run("ar+nar-len-llama-8", speech, tmp_path / "parts", 6, *more)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_what_only_lengths_are_learnt_of_trains_no_head_of_codes(speech: Path, tmp_path: Path) -> None:
    run("nar-len-llama-8", speech, tmp_path, 2, "dataset.tasks_list=[len]")
    assert {name for row in rows(tmp_path) for name in row if name.startswith("nll.")} == {"nll.len"}
    assert losses(tmp_path)[1] > 0
