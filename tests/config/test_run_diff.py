"""`python -m vall_e.config diff` shows how two runs differ."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .test_apps import SMALL_APP, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that are alike, and one with other settings on other packages."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "small.py").write_text(SMALL_APP.format(body=""))
    for name, overrides in {"a": (), "same": (), "b": ("experiment=demo", "seed=3")}.items():
        done = run("small.py", f"hydra.run.dir=runs/{name}", *overrides, folder=folder)
        assert done.returncode == 0, done.stderr
    record = folder / "runs/b/environment.json"
    (launched,) = json.loads(record.read_text())
    launched["packages"] |= {"torch": "2.0.0"}
    launched["git"] = {"commit": "0" * 40, "changed": True}
    record.write_text(json.dumps([launched]))
    return folder


def diff(folder: Path, one: str, other: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "vall_e.config", "diff", one, other, folder=folder)


def test_runs_that_are_alike_do_not_differ(folder: Path) -> None:
    done = diff(folder, "runs/a", "runs/same")
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/a and runs/same do not differ\n", "")


def test_settings_packages_and_code_that_differ_are_shown_in_columns(folder: Path) -> None:
    done = diff(folder, "runs/a", "runs/b")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    shown = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert '"" (default)' in shown["hyperparameters.scheduler"]
    assert '"WarmupCosineLR" (conf/experiment/demo.yaml)' in shown["hyperparameters.scheduler"]
    assert "0 (default)" in shown["seed"] and "3 (override seed=3)" in shown["seed"]
    assert '"2.0.0"' in shown["torch"] and "0" * 40 in shown["commit"]
    assert "model.size" not in shown and "numpy" not in shown
    start = lines[0].index("runs/b")
    assert shown["seed"][start:] == "3 (override seed=3)"
    assert shown["commit"][start:] == f'"{"0" * 40}"'


def test_a_run_without_a_record_of_its_environment_is_compared_by_its_settings(folder: Path) -> None:
    old = folder / "runs/old"
    old.mkdir(exist_ok=True)
    (old / "config.resolved.yaml").write_bytes((folder / "runs/a/config.resolved.yaml").read_bytes())
    done = diff(folder, "runs/a", "runs/old")
    assert done.returncode == 0
    assert "runs/old holds no environment.json: packages and code are not compared" in done.stdout


def test_a_folder_that_is_no_runs_is_refused_with_status_2(folder: Path) -> None:
    done = diff(folder, "runs/a", "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "runs is no folder of a run: it holds no config.resolved.yaml\n"
