"""Sweeps as a user starts them, of an app that takes no time."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import forked

from ..small_run import environment

APP = """
import math, os, sys, time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from vall_e.config.conf_dir import conf_dir
from vall_e.config.startup import starts
from vall_e.errors import DataError, MissingExtra
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch

@hydra.main(config_path=conf_dir(), config_name="train", **VERSION_BASE)
@starts()
def run(cfg):
    {body}
    return (math.log10(cfg.hyperparameters.learning_rate) + 3) ** 2 + cfg.seed

launch(run)
"""
FOLDER = "hydra.sweep.dir=sweep"

# Ends when another job has begun: two jobs that run one after the other would never see each other.
MEET = """
    jobs = Path(HydraConfig.get().runtime.output_dir).parent
    patience = time.monotonic() + 600
    while len(list(jobs.glob("*/job.json"))) < 2 and time.monotonic() < patience:
        time.sleep(0.05)
    assert time.monotonic() < patience
    if cfg.seed == 3:
        raise MissingExtra("phonemizer", "espeak", "text")
"""


def start(folder: Path, *arguments: str, body: str = "pass") -> subprocess.CompletedProcess[str]:
    """Start the app, whose objective is least at a learning rate of 1e-3 and grows with the seed."""
    (folder / "app.py").write_text(APP.format(body=body.strip()))
    return forked.run(["app.py", *arguments], folder, environment())


def leaderboard(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep/leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_jobs_of_a_grid_are_ranked_and_a_failed_one_is_listed(tmp_path: Path) -> None:
    body = "if cfg.seed == 1 and cfg.hyperparameters.learning_rate < 1e-3: raise DataError('no speech,\\nnone at all')"
    grid = ("hyperparameters.learning_rate=1e-4,1e-3", "seed=range(1,3)", "model.dropout=0.2", FOLDER)
    done = start(tmp_path, "-m", *grid, body=body)
    rows = leaderboard(tmp_path)
    assert [(row["rank"], row["job"]) for row in rows] == [("1", "2"), ("2", "3"), ("3", "1"), ("", "0")]
    assert [float(row["objective"]) for row in rows[:3]] == pytest.approx([1.0, 2.0, 3.0])
    assert list(rows[0])[5:-1] == ["hyperparameters.learning_rate", "seed"]
    assert (rows[3]["status"], rows[3]["error"]) == ("failed", "no speech,; none at all")
    assert (tmp_path / "sweep/leaderboard.png").read_bytes().startswith(b"\x89PNG")
    assert "rank  job  loss" in done.stdout and "failed: no speech" in done.stdout
    assert f"Best: {tmp_path}/sweep/2: hyperparameters.learning_rate=0.001 seed=1 model.dropout=0.2" in done.stdout
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith("1 of 4 jobs failed")


def test_a_sweep_without_failures_ends_well(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "seed=1,2", FOLDER)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["seed"] for row in leaderboard(tmp_path)] == ["1", "2"]


def test_a_preset_is_a_sweep_without_a_flag_and_its_values_can_be_overridden(tmp_path: Path) -> None:
    start(tmp_path, "experiment=sweep/learning-rate", "hyperparameters.learning_rate=1e-4,1e-3,1e-2", FOLDER)
    assert [row["hyperparameters.learning_rate"] for row in leaderboard(tmp_path)] == ["0.001", "0.0001", "0.01"]


def test_a_bug_in_a_job_is_told_with_its_traceback_and_the_sweep_goes_on(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "seed=1,2,3", FOLDER, body="if cfg.seed < 3: return [][cfg.seed]")
    assert done.returncode == 2
    assert done.stdout.count("Traceback") == 2 and "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "sweep/1/train.log").read_text()
    assert [row["error"] for row in leaderboard(tmp_path)] == ["", *["IndexError: list index out of range"] * 2]


def test_a_loss_that_is_no_number_fails_its_job(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "seed=1,2", FOLDER, body="if cfg.seed == 1: return math.nan")
    assert done.returncode == 2
    good, bad = leaderboard(tmp_path)
    assert (good["job"], bad["job"]) == ("1", "0") and "returned nan" in bad["error"]


def test_an_interrupted_sweep_ranks_what_ended_and_lists_what_did_not(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "seed=1,2,3", FOLDER, body="if cfg.seed == 2: raise KeyboardInterrupt")
    assert done.returncode != 0
    assert [(row["job"], row["status"]) for row in leaderboard(tmp_path)] == [("0", "finished"), ("1", "unfinished")]


def test_jobs_without_an_objective_are_listed(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "seed=1,2", FOLDER, body="return None")
    assert done.returncode == 0
    assert [(row["rank"], row["status"]) for row in leaderboard(tmp_path)] == [("", "finished")] * 2
    assert not (tmp_path / "sweep/leaderboard.png").exists()


def test_a_single_run_leaves_no_trace_of_a_sweep(tmp_path: Path) -> None:
    assert start(tmp_path, "hydra.run.dir=run").returncode == 0
    assert not {path.name for path in (tmp_path / "run").iterdir()} & {"job.json", "leaderboard.csv"}


def test_several_jobs_at_once_are_ranked(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra sweep is not installed")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = start(tmp_path, "-m", "seed=1,2,3,4", *launcher, FOLDER, body=MEET)
    rows = leaderboard(tmp_path)
    assert [row["job"] for row in rows] == ["0", "1", "3", "2"]
    assert rows[3]["error"] == "text needs the package 'phonemizer': pip install 'vall_e[espeak]'"
    assert done.returncode == 2
    kept = json.loads((tmp_path / "sweep/0/job.json").read_text())
    assert (kept["status"], kept["overrides"]) == ("finished", ["seed=1"])


SEARCH = ("experiment=sweep/optuna", "hydra.sweeper.n_trials=15", FOLDER)


def test_a_search_comes_near_the_least_objective(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra sweep is not installed")
    done = start(tmp_path, *SEARCH)
    assert done.returncode == 0, done.stderr
    rows = leaderboard(tmp_path)
    objectives = [float(row["objective"]) for row in rows]
    assert len(rows) == 15 and objectives == sorted(objectives) and objectives[0] < 0.05
    best = yaml.safe_load((tmp_path / "sweep/optimization_results.yaml").read_text())
    assert best["best_value"] == objectives[0]
    assert best["best_params"]["hyperparameters.learning_rate"] == float(rows[0]["hyperparameters.learning_rate"])


def test_a_search_outlives_trials_that_fail(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra sweep is not installed")
    body = "if cfg.hyperparameters.learning_rate > 1e-3: return math.nan"
    done = start(tmp_path, *SEARCH, body=body)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert {row["status"] for row in leaderboard(tmp_path)} == {"finished", "failed"}
    assert len(leaderboard(tmp_path)) == 15


def test_a_search_of_which_every_trial_fails_says_so(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra sweep is not installed")
    done = start(tmp_path, *SEARCH, "hydra.sweeper.n_trials=2", body="raise DataError('no speech')")
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith("2 of 2 jobs failed")


@pytest.mark.parametrize(
    ("option", "package", "extra", "arguments"),
    [
        ("hydra/sweeper=optuna", "hydra-optuna-sweeper", "sweep", ["-m", "hydra/sweeper=optuna", "seed=1,2"]),
        ("hydra/launcher=joblib", "hydra-joblib-launcher", "sweep", ["-m", "hydra/launcher=joblib", "seed=1,2"]),
        ("hydra/sweeper=optuna", "hydra-optuna-sweeper", "sweep", ["experiment=sweep/optuna"]),
        ("hydra/launcher=submitit_slurm", "hydra-submitit-launcher", "slurm", ["experiment=slurm/train"]),
    ],
)
def test_without_the_extra_one_sentence_names_it(
    option: str, package: str, extra: str, arguments: list[str], tmp_path: Path
) -> None:
    # A name that is None in sys.modules cannot be imported, whether or not the extra is installed here.
    code = "import sys; sys.modules['hydra_plugins'] = None; from vall_e.train import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"{option} needs the package '{package}': pip install 'vall_e[{extra}]'"]
