"""Jobs of submitit, as SLURM runs them, on this machine: `hydra/launcher=submitit_local` in place of SLURM's."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.small_run import checkpoints, environment, losses
from tests.training.test_resume import OVERRIDES

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra slurm is not installed")

TRAIN = ("experiment=slurm/train", "hydra/launcher=submitit_local", "hydra.launcher.tasks_per_node=2")


def started(folder: Path, speech: Path, *overrides: str) -> subprocess.Popen[str]:
    """`python -m vall_e.train` in `folder`, which waits for its jobs."""
    told = [*OVERRIDES, "trainer.iterations=4", f"dataset.hdf5_name={speech}", *overrides]
    return subprocess.Popen(
        [sys.executable, "-m", "vall_e.train", *told],
        cwd=folder,
        env=environment() | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(launch: subprocess.Popen[str], folder: Path) -> str:
    """What a launch told; it ends well."""
    told, _ = launch.communicate(timeout=600)
    assert launch.returncode == 0, told + logs(folder)
    return told


def logs(folder: Path) -> str:
    """All that the jobs of a launch wrote, to be shown when it fails."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".err", ".out", ".log"))
    return "".join(f"\n--- {path.relative_to(folder)}\n{path.read_text(errors='replace')}" for path in files)


def wait_for_step(folder: Path, launch: subprocess.Popen[str]) -> None:
    """Return when a step is logged."""
    metrics = folder / "metrics.jsonl"
    while not (metrics.is_file() and metrics.read_text()):
        assert launch.poll() is None, launch.communicate()[0] + logs(folder)
        time.sleep(0.02)


def test_each_job_of_a_sweep_is_a_job_of_the_cluster(speech: Path, tmp_path: Path) -> None:
    sweep = ("experiment=slurm/sweep", "hydra/launcher=submitit_local", "seed=1,2")
    told = ended(started(tmp_path, speech, *sweep), tmp_path)
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    with (folder / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["job"], row["seed"]) for row in rows} == {("0", "1"), ("1", "2")}
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert len(list((folder / ".submitit").glob("*/*_submitted.pkl"))) == 2, told
    assert [sorted(losses(folder / name)) for name in ("0", "1")] == [[1, 2, 3, 4]] * 2


def test_a_job_whose_time_is_over_saves_and_goes_on_when_it_is_run_again(speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    launch = started(tmp_path, speech, *TRAIN, "hydra.run.dir=run", "trainer.iterations=60")
    wait_for_step(folder, launch)
    os.kill(int((folder / ".lock").read_text()), signal.SIGUSR2)
    ended(launch, folder)
    log = (folder / "train.log").read_text()
    stopped = re.search(r"SIGUSR2: quit.*Stopped at step (\d+)", log, re.DOTALL)
    assert stopped and f"Resumed from {checkpoints(folder)}/{stopped[1]} at step {stopped[1]}" in log
    assert log.count("parameters on 2 ranks") == 2 and (folder / "logs" / "rank1.log").is_file()
    assert len(json.loads((folder / "environment.json").read_text())) == 2
    assert sorted(losses(folder)) == list(range(1, 61))
    job = json.loads((folder / "job.json").read_text())
    assert job["status"] == "finished" and job["objective"] > 0
