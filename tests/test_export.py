"""A run trains, and its weights are exported as a user does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vall_e.models.weights import load_weights
from vall_e.training import loop

from .small_run import checkpoints, environment, losses, small


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run draws its curves at the end, which takes longer than all steps of a small one."""
    monkeypatch.setattr(loop, "plot_curves", lambda metrics, out: None)


def app(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vall_e.export", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def test_the_app_exports_what_the_run_itself_exported(speech: Path, tmp_path: Path) -> None:
    cfg = small(speech, iterations=2, weights_format="pth", ema_decay=0.5)
    loop.train(cfg, tmp_path / "run")
    own = load_weights(checkpoints(tmp_path / "run") / "fp32.pth", torch.device("cpu"))
    done = app("run=run", "folder=out", "weights_name=mine", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = load_weights(tmp_path / "out" / "mine.safetensors", torch.device("cpu"))
    assert (found.step, found.config, found.codec) == (own.step, own.config, own.codec)
    for name, tensor in own.model.state_dict().items():
        assert found.model.state_dict()[name].equal(tensor), name


@pytest.mark.parametrize("suffix", ["pth", "sft"])
def test_a_run_begins_with_its_exported_weights_in_any_format(
    speech: Path, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"iterations": 2, "weights_format": suffix}
    loop.train(small(speech, **settings), tmp_path)
    before = losses(tmp_path)
    with caplog.at_level("INFO"):
        loop.train(small(speech, **settings, load_state_dict=True), tmp_path)
    assert f"Started from the weights {checkpoints(tmp_path) / f'fp32.{suffix}'}" in caplog.text
    assert losses(tmp_path)[1] != before[1]


def test_with_nothing_to_export_the_app_ends_with_status_2(tmp_path: Path) -> None:
    done = app(folder=tmp_path)
    assert done.returncode == 2
    assert "nothing to export: give run=FOLDER" in done.stderr and "Traceback" not in done.stderr
