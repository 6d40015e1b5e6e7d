"""Recordings of three speakers, and settings that train a tiny codec on them in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vall_e.audio.read import write_wav
from vall_e.config.codec_adversary import AdversaryConfig
from vall_e.config.codec_training import CodecTrainingConfig

RATE = 24_000
TINY = {
    "hop": 320,
    "levels": 2,
    "entries": 16,
    "latent": 8,
    "encoder_width": 16,
    "encoder_blocks": 1,
    "decoder_width": 16,
    "decoder_blocks": 1,
}
SMALL_ADVERSARY = AdversaryConfig(start=2, warmup=1, periods=[2, 5], windows=[256], width=2, crop_seconds=0.1)

Settings = Callable[..., CodecTrainingConfig]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tone(pitch: float, seconds: float) -> np.ndarray:
    """A voice-like buzz: harmonics that fall off, and some breath."""
    time = np.arange(int(RATE * seconds)) / RATE
    harmonics = np.sum([np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 20)], axis=0)
    breath = np.random.default_rng(int(pitch)).standard_normal(len(time))
    return (0.1 * harmonics + 0.02 * breath).astype(np.float32)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for pitch, (speaker, seconds) in zip((110, 160, 230), (("a", 2.0), ("b", 1.0), ("c", 0.1)), strict=True):
        write_wav(folder / "en" / speaker / "buzz.wav", tone(pitch, seconds), RATE)
    return folder


@pytest.fixture
def settings(corpus: Path, tmp_path: Path) -> Settings:
    base = CodecTrainingConfig(
        audio=str(corpus),
        holdout=["b"],
        steps=4,
        batch_size=2,
        clip_seconds=0.5,
        warmup_steps=0,
        shape=TINY,
        device="cpu",
        save_frequency=2,
        evaluation_frequency=0,
        evaluation_clips=2,
        evaluation_seconds=0.5,
        samples=1,
        tensorboard=False,
        cache=str(tmp_path / "cache"),
    )

    def changed(**values: Any) -> CodecTrainingConfig:
        return replace(base, **values)

    return changed
