"""A run that was cut is the run that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.small_run import checkpoints, environment, losses, rows, small
from vall_e.config.composing import compose_config
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.startup import open_job
from vall_e.engines import checkpoint
from vall_e.engines.local import LocalEngine
from vall_e.errors import CheckpointError, ConfigError
from vall_e.training.loop import train

COSINE = {
    "dropout": 0.1,
    "gradient_accumulation_steps": 2,
    "warmup_steps": 2,
    "scheduler": "WarmupCosineLR",
    "scheduler_params": {"total_num_steps": 8, "cos_min_ratio": 0.1},
}
PRODIGY = COSINE | {"optimizer": "prodigy", "learning_rate": 1.0}
EXITS = COSINE | {
    "model__size": {"dim": 32, "heads": 2, "layers": 4, "label": ""},
    "model__experimental": ModelExperimentalConfig(layerskip=True, layerskip_r=3),
    "gradient_checkpointing": True,
}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(folder) / "fp32.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("settings", [COSINE, PRODIGY, EXITS], ids=["adamw", "prodigy", "early exits"])
def test_a_run_in_two_parts_is_the_run_in_one(
    speech: Path, tmp_path: Path, settings: dict[str, Any], workers: int
) -> None:
    cfg = small(speech, **settings)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    train(cfg, whole)
    train(small(speech, **settings, iterations=2, workers=workers), parted)
    torch.manual_seed(99)  # a new process does not know how far random draws had gone
    train(small(speech, **settings, workers=workers), parted)
    assert losses(parted) == losses(whole) and sorted(losses(whole)) == [1, 2, 3, 4, 5, 6]
    assert [row["lr"] for row in rows(parted)] == [row["lr"] for row in rows(whole)]
    assert same(weights(parted), weights(whole))


def test_metrics_after_the_checkpoint_are_logged_once(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=4, save_frequency=2), tmp_path)
    (checkpoints(tmp_path) / "4/weights.safetensors").unlink()
    train(small(speech), tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2, 3, 4, 5, 6]


def test_evaluation_in_between_changes_nothing(speech: Path, tmp_path: Path) -> None:
    train(small(speech), tmp_path / "without")
    train(small(speech, frequency=2, evaluation__size=1), tmp_path / "with")
    assert losses(tmp_path / "with") == losses(tmp_path / "without")
    assert [row["step"] for row in rows(tmp_path / "with") if "val.mel_stft" in row] == [2, 4, 6]


OVERRIDES = (
    "device=cpu",
    "model.size={dim:32,heads:2,layers:2}",
    "model.dropout=0.1",
    "dataset.duration_range=[0.1,2]",
    "dataset.prompt_duration_range=[0.1,0.2]",
    "dataset.workers=1",
    "hyperparameters.batch_size=2",
    "hyperparameters.learning_rate=3e-3",
    "hyperparameters.warmup_steps=0",
    "trainer.iterations=100000",
    "trainer.save_frequency=0",
    "trainer.tensorboard=false",
    "evaluation.size=0",
)


@pytest.fixture
def process(speech: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m vall_e.train` in the folder `run`, which has made a step."""
    command = [sys.executable, "-m", "vall_e.train", *OVERRIDES, f"dataset.hdf5_name={speech}", "hydra.run.dir=run"]
    pipe = subprocess.PIPE
    env = environment()
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as started:
        try:
            deadline = time.monotonic() + 600
            while not ((tmp_path / "run/metrics.jsonl").exists() and rows(tmp_path / "run")):
                assert time.monotonic() < deadline, "no step was made"
                assert started.poll() is None, "".join(started.communicate())
                time.sleep(0.02)
            yield started
        finally:
            started.kill()


def test_sigterm_saves_and_the_next_launch_goes_on(
    process: subprocess.Popen[str], speech: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match=f"is being trained in by process {process.pid}"):
        train(small(speech), run)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "Traceback" not in err and "Stopped at step" in out + err
    done = max(losses(run))
    assert checkpoint.damage(checkpoints(run) / str(done)) is None
    more = [*OVERRIDES, f"dataset.hdf5_name={speech}", f"trainer.iterations={done + 2}"]
    for folder in (run, tmp_path / "whole"):
        train(open_job(compose_config("train", more)), folder)
    assert len(losses(run)) == done + 2
    assert losses(run) == losses(tmp_path / "whole")


def test_a_save_that_fails_leaves_the_checkpoint_before(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(small(speech), tmp_path / "whole")
    train(small(speech, iterations=3), tmp_path / "cut")

    def fail(self: LocalEngine, path: Path, *rest: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalEngine, "write_weights", fail)
        with pytest.raises(CheckpointError, match="No space left"):
            train(small(speech, iterations=5), tmp_path / "cut")
    assert (checkpoints(tmp_path / "cut") / "latest").read_text().strip() == "3"
    train(small(speech), tmp_path / "cut")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_what_a_killed_save_left_is_not_taken_for_a_checkpoint(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=3), tmp_path)
    partial = checkpoints(tmp_path) / ".6.partial"
    partial.mkdir()
    (partial / "weights.safetensors").write_bytes(b"half")
    train(small(speech), tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2, 3, 4, 5, 6]
    assert not partial.exists() and checkpoint.damage(checkpoints(tmp_path) / "6") is None
