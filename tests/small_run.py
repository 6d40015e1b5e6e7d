"""A training run small enough for a test: a tiny model on random codes of the codec that ships with vall_e."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vall_e.audio import open_codec
from vall_e.audio.codec import CodecIdentity
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.dataset import DatasetConfig
from vall_e.config.evaluation import EvaluationConfig
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.config.schema import Config
from vall_e.config.trainer import TrainerConfig
from vall_e.data.dataset import SpeechDataset
from vall_e.data.loader import open_loader
from vall_e.data.sample import Sample
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Utterance
from vall_e.engines.local import LocalEngine
from vall_e.text import open_tokenizer

REPOSITORY = Path(__file__).parents[1]
TINY = {"dim": 32, "heads": 2, "layers": 2, "label": ""}
MODEL = "ar+nar-llama-8"
GROUPS = ("dataset", "model", "hyperparameters", "trainer", "evaluation")


def identity() -> CodecIdentity:
    return open_codec(AudioBackend.builtin, CodecConfig(), "cpu").identity


def write_speech(path: Path, codec: CodecIdentity, *, validation: bool = True) -> None:
    """Two speakers with five training utterances and a validation utterance each, 0.2 to 0.4 s."""
    draw = np.random.default_rng(0)
    with StoreWriter(path, codec) as writer:
        for number in range(12):
            told = Utterance(
                id=f"u{number}",
                speaker=f"g/s{number % 2}",
                split="validation" if validation and number >= 10 else "training",
                language="en",
                text="hello",
                phonemes="həloʊ wɜːld"[: 4 + number % 5],
                codes=draw.integers(0, 1024, (16 + number, 8)).astype(np.int16),
            )
            writer.append(told, number)


def small(speech: Path, **changes: Any) -> Config:
    """Settings of six steps, with `changes` such as `iterations=3`, or `model__size=...` where groups share a name."""
    cfg = Config(
        device="cpu",
        dataset=DatasetConfig(
            hdf5_name=str(speech), workers=0, duration_range=[0.1, 2], prompt_duration_range=[0.1, 0.2]
        ),
        model=ModelConfig(size=TINY),
        hyperparameters=HyperparametersConfig(batch_size=2, learning_rate=3e-3),
        trainer=TrainerConfig(iterations=6, save_frequency=0, tensorboard=False, gradient_checkpointing=False),
        evaluation=EvaluationConfig(frequency=0, size=0, kwargs=SamplingConfig(max_duration=8)),
    )
    return changed(cfg, **changes)


def changed(cfg: Config, **changes: Any) -> Config:
    for change, value in changes.items():
        group, _, name = change.rpartition("__")
        if hasattr(cfg, change):
            cfg = replace(cfg, **{change: value})
            continue
        group = group or next(g for g in GROUPS if hasattr(getattr(cfg, g), name))
        cfg = replace(cfg, **{group: replace(getattr(cfg, group), **{name: value})})
    return cfg


def engine(cfg: Config) -> LocalEngine:
    return LocalEngine(cfg, open_tokenizer(None, None), identity())


def batches(cfg: Config, count: int) -> list[list[Sample]]:
    """The first micro-batches of a run."""
    tokenizer, rate = open_tokenizer(None, None), identity().frame_rate
    dataset = SpeechDataset(Path(cfg.dataset.hdf5_name), cfg.dataset, tokenizer, "training", rate, cfg.seed)
    loader = open_loader(dataset, cfg.dataset, cfg.hyperparameters.batch_size, cfg.seed)
    return [next(loader) for _ in range(count)]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(folder: Path) -> dict[int, float]:
    """Loss by step; a step that was logged twice fails."""
    found = [(row["step"], row["loss"]) for row in rows(folder) if "loss" in row]
    assert len(dict(found)) == len(found)
    return dict(found)


def checkpoints(folder: Path) -> Path:
    return folder / "ckpt" / MODEL


def environment() -> dict[str, str]:
    """Of a process that a user starts in another folder, with this checkout importable."""
    kept = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    return kept | {"PYTHONPATH": str(REPOSITORY)}
