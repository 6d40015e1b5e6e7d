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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.small_run import checkpoints, environment, losses
from tests.training.test_resume import OVERRIDES

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra slurm is not installed")

LOCAL = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=15")
TRAIN = ("experiment=slurm/train", *LOCAL, "hydra.launcher.tasks_per_node=2", "hydra.run.dir=run")
PATIENCE = 800.0
"""Seconds for all that a launch does, fewer than its jobs and pytest give it: so its logs are shown."""


@dataclass(frozen=True)
class Launch:
    """`python -m vall_e.train` in `folder`, which waits for its jobs."""

    folder: Path
    process: subprocess.Popen[bytes]
    deadline: float

    def wait_for(self, happened: Callable[[], object]) -> None:
        """Return when something has happened; it must not end or take too long before."""
        while True:
            ended = self.process.poll()  # looked at first: what it did last is seen in any case
            if happened():
                return
            assert ended is None and time.monotonic() < self.deadline, f"status {ended}{self.logs()}"
            time.sleep(0.02)

    def end(self) -> None:
        """Wait until it has ended well."""
        self.wait_for(lambda: self.process.poll() is not None)
        assert self.process.returncode == 0, self.logs()

    def logs(self) -> str:
        """All that it and its jobs wrote."""
        files = sorted(path for path in self.folder.rglob("*") if path.suffix in (".err", ".out", ".log"))
        return "".join(f"\n--- {path.relative_to(self.folder)}\n{path.read_text(errors='replace')}" for path in files)


@contextmanager
def launched(folder: Path, speech: Path, *overrides: str) -> Iterator[Launch]:
    """A launch, which is killed with all of its jobs at the end of the block."""
    command = [sys.executable, "-m", "vall_e.train", *OVERRIDES, f"dataset.hdf5_name={speech}", *overrides]
    with (folder / "launch.log").open("wb") as told:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Launch(folder, process, time.monotonic() + PATIENCE)
    finally:
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_each_job_of_a_sweep_is_a_job_of_the_cluster(speech: Path, tmp_path: Path) -> None:
    with launched(tmp_path, speech, "experiment=slurm/sweep", *LOCAL, "seed=1,2", "trainer.iterations=4") as launch:
        launch.end()
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    with (folder / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["job"], row["seed"]) for row in rows} == {("0", "1"), ("1", "2")}
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert len(list((folder / ".submitit").glob("*/*_submitted.pkl"))) == 2, launch.logs()
    assert [sorted(losses(folder / name)) for name in ("0", "1")] == [[1, 2, 3, 4]] * 2


def test_a_job_whose_time_is_over_saves_and_goes_on_when_it_is_run_again(speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def steps() -> int:
        metrics = folder / "metrics.jsonl"
        return metrics.read_text().count("\n") if metrics.is_file() else 0

    def stopped() -> int | None:
        found = re.search(r"SIGUSR2: quit.*?Stopped at step (\d+)", (folder / "train.log").read_text(), re.DOTALL)
        return int(found[1]) if found else None

    with launched(tmp_path, speech, *TRAIN) as launch:
        launch.wait_for(steps)
        os.kill(int((folder / ".lock").read_text()), signal.SIGUSR2)
        launch.wait_for(stopped)
        launch.wait_for(lambda: steps() > (stopped() or 0))
        with (folder / "commands").open("a") as file:
            file.write("quit\n")
        launch.end()
    log = (folder / "train.log").read_text()
    assert f"Resumed from {checkpoints(folder)}/{stopped()} at step {stopped()}" in log
    assert log.count("parameters on 2 ranks") == 2 and (folder / "logs" / "rank1.log").is_file()
    assert len(json.loads((folder / "environment.json").read_text())) == 2
    assert sorted(losses(folder)) == list(range(1, steps() + 1))
    job = json.loads((folder / "job.json").read_text())
    assert job["status"] == "finished" and job["objective"] > 0
