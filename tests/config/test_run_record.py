"""What a run's folder says of the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from vall_e.config.records.run_record import read_job, read_record
from vall_e.errors import ConfigError

from .test_apps import REPOSITORY, SMALL_APP, run

CODE = "import json; from vall_e.config.records.environment import git_state; print(json.dumps(git_state()))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.py").write_text(SMALL_APP.format(body=""))
    return tmp_path


def launch(folder: Path, *overrides: str) -> Path:
    done = run("small.py", "hydra.run.dir=runs/a", *overrides, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs/a"


def test_a_run_keeps_settings_origins_and_environment(folder: Path) -> None:
    record = read_record(launch(folder, "experiment=demo", "seed=3"))
    assert record.settings["seed"] == 3
    assert record.origins["seed"] == "override seed=3"
    assert record.origins["trainer.iterations"] == "conf/experiment/demo.yaml"
    assert record.environment["argv"] == ["small.py", "hydra.run.dir=runs/a", "experiment=demo", "seed=3"]
    assert record.environment["seeds"] == {"seed": 3, "inference.seed": None}
    assert record.environment["app"] == "train"
    assert record.environment["started"].endswith("+00:00")
    packages = record.environment["packages"]
    assert packages["hydra-core"] == version("hydra-core") and "vall_e" in packages and "pytest" not in packages
    assert read_job(record.folder) == ("train", folder)


def test_a_second_launch_keeps_the_record_of_the_first(folder: Path) -> None:
    launch(folder, "seed=3")
    record = read_record(launch(folder, "seed=4"))
    assert [launched["seeds"]["seed"] for launched in record.launches] == [3, 4]
    assert record.settings["seed"] == 4 and record.origins["seed"] == "override seed=4"


def test_a_launch_that_is_refused_leaves_the_record_as_it_is(folder: Path) -> None:
    kept = launch(folder, "seed=3")
    assert run("small.py", "hydra.run.dir=runs/a", "seed=-1", folder=folder).returncode == 2
    assert len(read_record(kept).launches) == 1


def test_every_run_of_a_sweep_has_a_record_of_its_own(folder: Path) -> None:
    done = run("small.py", "-m", "hydra.sweep.dir=runs/s", "seed=1,2", folder=folder)
    assert done.returncode == 0, done.stderr
    origins = [yaml.safe_load((folder / f"runs/s/{job}/origins.yaml").read_text())["seed"] for job in (0, 1)]
    assert origins == ["override seed=1", "override seed=2"]


@pytest.mark.parametrize("content", ["{", "{}"])
def test_a_damaged_record_is_refused(content: str, folder: Path) -> None:
    kept = launch(folder)
    (kept / "environment.json").write_text(content)
    done = run("small.py", "hydra.run.dir=runs/a", folder=folder)
    assert done.returncode == 2 and "environment.json is damaged" in done.stderr


def test_a_folder_that_is_no_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no folder of a run: it holds no config\.resolved\.yaml"):
        read_record(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, env=os.environ | identity, capture_output=True, text=True, check=True).stdout.strip()


def told(folder: Path, **environment: str) -> dict[str, object]:
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_a_checkout_of_this_project_alone(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "vall_e/config", tmp_path / "vall_e/config", ignore=shutil.ignore_patterns("*.pyc"))
    for file in ("__init__.py", "atomic.py", "errors.py"):
        shutil.copyfile(REPOSITORY / "vall_e" / file, tmp_path / "vall_e" / file)
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    assert told(tmp_path) == {}
    git(tmp_path, "init")
    assert told(tmp_path) == {}
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "All")
    assert told(tmp_path) == {"commit": git(tmp_path, "rev-parse", "HEAD"), "changed": False}
    (tmp_path / "notes.txt").write_text("beside the code")
    assert told(tmp_path)["changed"] is False
    (tmp_path / "conf/model/mine.yaml").write_text("langs: 2\n")
    assert told(tmp_path)["changed"] is True
    assert told(tmp_path, PATH="") == {}
