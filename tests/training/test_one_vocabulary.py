"""A model of one vocabulary goes the ways of any other: training, resuming, weights, speaking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.tiny import draw_codes
from tests.small_run import losses
from vall_e.audio import open_codec
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.composing import compose_config
from vall_e.config.inference import InferenceConfig
from vall_e.config.schema import Config
from vall_e.config.startup import open_job
from vall_e.decoding.speaker import Speaker
from vall_e.models.one_vocabulary import OneVocabularyVallE
from vall_e.models.weights.weights_file import load_weights
from vall_e.training.loop import train

SMALL = (
    "model.experimental.hf=true",
    "device=cpu",
    "model.size={dim:32,heads:2,layers:2}",
    "dataset.duration_range=[0.1,2]",
    "dataset.prompt_duration_range=[0.1,0.2]",
    "dataset.workers=0",
    "dataset.tasks_list=[tts,tts-c]",
    "hyperparameters=adamw",
    "hyperparameters.batch_size=8",
    "hyperparameters.learning_rate=1e-2",
    "hyperparameters.warmup_steps=0",
    "trainer.tensorboard=false",
    "evaluation.size=0",
)


def run(speech: Path, folder: Path, steps: int, *more: str) -> Config:
    overrides = [*SMALL, f"dataset.hdf5_name={speech}", f"trainer.iterations={steps}", *more]
    cfg = open_job(compose_config("train", overrides))
    train(cfg, folder)
    return cfg


def test_a_small_model_learns_and_speaks(speech: Path, tmp_path: Path) -> None:
    cfg = run(speech, tmp_path, 40)
    found = losses(tmp_path)
    assert found[1] > 9 and np.mean([found[step] for step in range(36, 41)]) < 7
    weights = load_weights(next(tmp_path.glob(f"ckpt/{cfg.model.full_name}/*.safetensors")), torch.device("cpu"))
    flags = weights.config.experimental
    assert flags.hf and not flags.split_classifiers and not flags.audio_embedding_sums
    assert isinstance(weights.model, OneVocabularyVallE)
    speaker = Speaker(weights, open_codec(AudioBackend.builtin, CodecConfig(), "cpu"), InferenceConfig(phonemes=True))
    speaker.cfg.max_duration = 20
    wave = speaker.speak("həloʊ", draw_codes(8), seed=0).wave
    assert 0 < len(wave) <= 20 * 320 and np.isfinite(wave).all()


def test_a_run_goes_on_as_if_it_had_not_ended(speech: Path, tmp_path: Path) -> None:
    more = ("trainer.save_frequency=3", "model.experimental.tie_classifier_to_embedding=true")
    run(speech, tmp_path / "whole", 6, *more)
    run(speech, tmp_path / "parts", 3, *more)
    run(speech, tmp_path / "parts", 6, *more)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


@pytest.mark.parametrize(
    "way", ["optimizations=bitnet", "+lora@loras.voice=embeddings", "model.experimental.layerskip=true"]
)
def test_it_goes_the_ways_of_others(way: str, speech: Path, tmp_path: Path) -> None:
    run(speech, tmp_path, 2, way)
    assert len(losses(tmp_path)) == 2
