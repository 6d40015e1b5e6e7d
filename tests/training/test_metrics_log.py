"""The numbers of a run, and the picture of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from vall_e.training.curves import plot_curves, read_curves
from vall_e.training.metrics_log import MetricsLog


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in rows(folder)]


def test_a_line_can_be_read_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        metrics.log(1, {"loss": 2.5})
        (row,) = rows(tmp_path)
    assert row["step"] == 1 and row["loss"] == 2.5 and row["time"] > 1e9
    assert not (tmp_path / "tensorboard").exists()


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        metrics.log(1, {"loss": math.nan, "grad_norm": math.inf, "lr": 0.1})
    assert [rows(tmp_path)[0][name] for name in ("loss", "grad_norm", "lr")] == [None, None, 0.1]


def test_a_resumed_run_leaves_no_step_twice(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        for step in range(1, 6):
            metrics.log(step, {"loss": 1.0})
        metrics.log(3, {"val.mel_stft": 2.0})
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        metrics.truncate(3)
        metrics.log(4, {"loss": 0.5})
    assert steps(tmp_path) == [1, 2, 3, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_line_cut_off_by_a_crash_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        metrics.truncate(9)
        metrics.log(2, {"loss": 0.5})
    assert steps(tmp_path) == [1, 2]
    assert "line 2 is damaged" in caplog.text


def test_tensorboard_shows_the_same_numbers_and_forgets_what_was_done_again(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=True) as metrics:
        for step in (1, 2, 3):
            metrics.log(step, {"loss": float(step)})
    with MetricsLog(tmp_path, tensorboard=True) as metrics:
        metrics.truncate(1)
        metrics.log(2, {"loss": 20.0})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 20.0)]


def test_curves_hold_every_finite_point(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        metrics.log(1, {"loss": 3.0})
        metrics.log(2, {"loss": math.nan})
        metrics.log(3, {"loss": 1.0, "val.mel_stft": 2.0})
    curves = read_curves(tmp_path / "metrics.jsonl")
    assert set(curves) == {"loss", "val.mel_stft"}
    assert [array.tolist() for array in curves["loss"]] == [[1, 3], [3.0, 1.0]]


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as metrics:
        for step in range(1, 100):
            metrics.log(step, {"loss": 1 / step, "acc": 1 - 1 / step, "nll.level0": 1.0, "nll.level1": 2.0})
        metrics.log(50, {"subtrain.mel_stft": 2.0, "val.mel_stft": 3.0})
    plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    height, width, _ = imread(tmp_path / "curves.png").shape
    assert height > 500 and width > 1000


def test_a_run_without_steps_has_no_curves(tmp_path: Path) -> None:
    MetricsLog(tmp_path, tensorboard=False).close()
    plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
