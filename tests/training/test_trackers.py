"""What records a run beside `metrics.jsonl`: Weights & Biases offline, and trackers that fail."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.small_run import REPOSITORY, losses, rows, small
from vall_e.errors import MissingExtra
from vall_e.training.loop import train
from vall_e.training.metrics_log import MetricsLog
from vall_e.training.trackers.weights_and_biases import ID_FILE, WeightsAndBiases, plain_settings

wandb = pytest.importorskip("wandb")
from wandb.proto import wandb_internal_pb2  # noqa: E402

BLOCK, HEADER = 32768, 7
"""A .wandb file has 7 bytes of its own, then LevelDB's log format: blocks of records after checksum, length, type."""
FULL, FIRST, LAST = 1, 2, 4


def records(path: Path) -> Iterator[Any]:
    """The records that W&B would send."""
    content, place, parts = path.read_bytes(), HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        part = content[place + HEADER : place + HEADER + length]
        parts = part if kind in (FULL, FIRST) else parts + part
        if kind in (FULL, LAST):
            yield wandb_internal_pb2.Record.FromString(parts)
        place += HEADER + length


def sent(folder: Path) -> list[Any]:
    """All records of the launches in a run's folder, the oldest launch first."""
    wandb.teardown()  # its service writes on for a moment when a run has ended
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"))  # named by their seconds
    return [record for path in files for record in records(path)]


def history(folder: Path) -> list[dict[str, Any]]:
    """What was logged, as W&B shows it."""
    items = [record.history.item for record in sent(folder) if record.HasField("history")]
    return [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in row} for row in items]


def run_records(folder: Path) -> list[Any]:
    return [record.run for record in sent(folder) if record.HasField("run")]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, value in {"MODE": "offline", "CONFIG_DIR": str(tmp_path / "config"), "CACHE_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    wandb.teardown()
    yield
    wandb.teardown()


def opened(folder: Path) -> MetricsLog:
    return MetricsLog(folder, False, WeightsAndBiases(folder, "ar+nar-llama-8", {"seed": 3, "model": {"dim": 32}}))


def test_a_run_is_logged_with_its_project_name_and_settings(tmp_path: Path) -> None:
    with opened(tmp_path / "runs" / "demo") as metrics:
        metrics.truncate(0)
        metrics.log(1, {"loss": 2.5, "nll.level0": math.nan})
        metrics.log(1, {"val.mel_stft": 3.0})
    (run,) = run_records(tmp_path / "runs" / "demo")
    assert (run.project, run.display_name) == ("ar+nar-llama-8", "runs/demo")
    assert (tmp_path / "runs/demo" / ID_FILE).read_text().strip() == run.run_id
    told = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert told["seed"] == 3 and told["model"] == {"dim": 32}
    first, second = history(tmp_path / "runs" / "demo")
    assert (first["step"], first["loss"], second["step"], second["val.mel_stft"]) == (1, 2.5, 1, 3.0)
    assert math.isnan(float(first["nll.level0"]))


def test_a_resumed_run_goes_on_in_the_same_run_and_one_begun_anew_in_another(tmp_path: Path) -> None:
    for step in (0, 2, 0):
        with opened(tmp_path) as metrics:
            metrics.truncate(step)
            metrics.log(step + 1, {"loss": 1.0})
        time.sleep(1)  # W&B names the folder of a launch by its second.
    first, second, third = (run.run_id for run in run_records(tmp_path))
    assert first == second != third
    assert [row["step"] for row in history(tmp_path)] == [1, 3, 1]


def test_charts_are_drawn_over_the_steps_of_the_run(tmp_path: Path) -> None:
    with opened(tmp_path) as metrics:
        metrics.log(1, {"loss": 1.0})
    axes = {(r.metric.name or r.metric.glob_name): r.metric.step_metric for r in sent(tmp_path) if r.HasField("metric")}
    assert axes["*"] == "step"


PRINTING = """
import sys
from pathlib import Path
from vall_e.training.trackers.weights_and_biases import WeightsAndBiases

tracker = WeightsAndBiases(Path(sys.argv[1]), "project", {})
tracker.log(1, {"loss": 1.0})
print("a line that the run prints")
tracker.close()
"""


def test_no_code_and_no_output_is_sent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PRINTING, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "a line that the run prints\n" and "wandb:" not in done.stderr
    (run,) = run_records(tmp_path)
    assert not run.git.commit and not run.git.remote_url
    assert {path.name for path in tmp_path.glob("wandb/offline-run-*/files/*")} <= {"requirements.txt"}
    assert not any(record.HasField("output_raw") or record.HasField("output") for record in sent(tmp_path))


def test_settings_are_told_as_they_are_typed(speech: Path) -> None:
    told = plain_settings(small(speech))
    assert told["trainer"]["backend"] == "local" and told["audio_backend"] == "builtin"
    assert told["hyperparameters"]["learning_rate"] == 3e-3
    assert json.loads(json.dumps(told)) == told


def test_a_training_run_tells_the_same_to_both_and_trains_the_same(speech: Path, tmp_path: Path) -> None:
    train(small(speech), tmp_path / "without")
    cut, whole = small(speech, iterations=3, wandb=True), small(speech, wandb=True)
    train(cut, tmp_path / "with")
    time.sleep(1)
    train(whole, tmp_path / "with")
    assert losses(tmp_path / "with") == losses(tmp_path / "without")
    told = {int(row["step"]): row["loss"] for row in history(tmp_path / "with") if "loss" in row}
    assert told == losses(tmp_path / "with")
    assert len({run.run_id for run in run_records(tmp_path / "with")}) == 1


def test_without_an_account_the_run_goes_on_and_says_so_once(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    train(small(speech, iterations=2, wandb=True), tmp_path / "run")
    assert caplog.text.count("Weights & Biases records nothing more of this launch: No API key configured") == 1
    assert sorted(losses(tmp_path / "run")) == [1, 2]


def test_without_network_the_run_goes_on_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable = {"MODE": "online", "API_KEY": "a" * 40, "BASE_URL": "http://127.0.0.1:9", "INIT_TIMEOUT": "1"}
    for name, value in unreachable.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    with opened(tmp_path) as metrics:
        metrics.truncate(0)
        metrics.log(1, {"loss": 1.0})
        metrics.log(2, {"loss": 0.5})
    assert caplog.text.count("Weights & Biases records nothing more of this launch") == 1
    assert [row["loss"] for row in rows(tmp_path)] == [1.0, 0.5]


def test_a_folder_that_tensorboard_cannot_write_to_costs_only_its_curves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tensorboard").write_text("a file in the place of the folder")
    with MetricsLog(tmp_path, tensorboard=True) as metrics:
        metrics.log(1, {"loss": 1.0})
        metrics.log(2, {"loss": 0.5})
    assert caplog.text.count("TensorBoard records nothing more of this launch") == 1
    assert [row["loss"] for row in rows(tmp_path)] == [1.0, 0.5]


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"trainer\.wandb=true needs .*pip install 'vall_e\[wandb\]'"):
        opened(tmp_path)
