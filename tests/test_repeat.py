"""`python -m vall_e.repeat` runs again what ran in a folder, with the settings it had."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from vall_e.config.records.run_record import read_record
from vall_e.repeat import doubts

from . import forked
from .small_run import environment, losses

OVERRIDES = (
    "device=cpu",
    "dataset.workers=0",
    "dataset.duration_range=[0.1,2]",
    "dataset.prompt_duration_range=[0.1,0.2]",
    "model=mine",
    "hyperparameters.batch_size=2",
    "+hyperparameters.optimizer_params={eps:1e-9}",
    "trainer.iterations=3",
    "trainer.tensorboard=false",
    "evaluation.size=0",
    "hydra.run.dir=runs/first",
)
MODEL = "size: {dim: 32, heads: 2, layers: 2}\nloss_factors: {resp: 1.0}\n"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run(["-m", *arguments], folder, environment())


def settings(run: Path) -> Any:
    return yaml.safe_load((run / "config.resolved.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, speech: Path) -> Path:
    """A user's folder with a finished run, whose fragment has changed since."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copyfile(speech, folder / "speech.h5")
    fragment = folder / "mine/model/mine.yaml"
    fragment.parent.mkdir(parents=True)
    fragment.write_text(MODEL)
    data = "dataset.hdf5_name=speech.h5"
    done = python(folder, "vall_e.train", "--config-dir", "mine", data, *OVERRIDES)
    assert done.returncode == 0, done.stderr
    fragment.write_text("size: quarter\nloss_factors: {text: 1.0}\n")
    return folder


def test_a_repeated_run_has_the_settings_and_losses_of_the_first(folder: Path, tmp_path: Path) -> None:
    done = python(tmp_path, "vall_e.repeat", str(folder / "runs/first"))
    assert done.returncode == 0, done.stderr
    first, again = folder / "runs/first", folder / "runs/first-repeat"
    assert settings(again) == settings(first) and settings(again)["model"]["loss_factors"] == {"resp": 1.0}
    assert losses(again) == losses(first) and len(losses(again)) == 3
    compared = python(folder, "vall_e.config", "diff", "runs/first", "runs/first-repeat")
    assert compared.returncode == 0, compared.stdout
    assert "ran on" not in done.stderr


def test_overrides_win_and_the_folder_stays_the_one_that_was_named(folder: Path) -> None:
    changes = (
        "trainer.iterations=1",
        "experiment=demo",
        "hyperparameters=prodigy",
        "model.size={dim:32,heads:2,layers:2}",
    )
    done = python(folder, "vall_e.repeat", "runs/first", "runs/it's new", "evaluation.size=0", *changes)
    assert done.returncode == 0, done.stderr
    again = settings(folder / "runs/it's new")
    assert (again["trainer"]["iterations"], again["hyperparameters"]["optimizer"]) == (1, "prodigy")
    assert again["trainer"]["save_frequency"] == 250 and again["seed"] == 0
    assert not (folder / "runs/demo").exists()


def test_a_repeat_goes_on_with_the_command_that_it_printed(folder: Path) -> None:
    done = python(folder, "vall_e.repeat", "runs/first", "runs/longer", "trainer.iterations=2")
    command = next(line for line in done.stderr.splitlines() if "python -m" in line).partition("python -m ")[2].split()
    again = python(folder, *command, "trainer.iterations=4")
    assert again.returncode == 0, again.stderr
    assert list(losses(folder / "runs/longer")) == [1, 2, 3, 4]
    assert len(read_record(folder / "runs/longer").launches) == 2


def damaged(folder: Path, name: str, **changes: Any) -> str:
    """A copy of the first run's records with changed settings."""
    run = folder / "runs" / name
    shutil.copytree(folder / "runs/first", run, ignore=shutil.ignore_patterns("ckpt"))
    (run / "config.resolved.yaml").write_text(yaml.safe_dump(settings(run) | changes))
    return f"runs/{name}"


def test_a_setting_that_is_not_known_any_more_is_refused(folder: Path) -> None:
    run = damaged(folder, "old", sed=1)
    done = python(folder, "vall_e.repeat", run, "runs/none")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "sed: no such setting" in done.stderr and "nearest: seed" in done.stderr
    assert not (folder / "runs/none").exists()


def test_a_wrong_override_is_refused_before_anything_is_written(folder: Path) -> None:
    done = python(folder, "vall_e.repeat", "runs/first", "runs/none", "trainer.iteratoins=3")
    assert done.returncode == 2 and "nearest: trainer.iterations" in done.stderr
    assert not (folder / "runs/none").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs/first", "runs/first"], "runs/first is not empty, allowed: a new folder"),
        (["runs/first", "mine/model/mine.yaml"], "mine.yaml is not empty"),
        (["runs"], "runs is no folder of a run"),
        (["runs/first", "a", "b"], "too many folders (a, b)"),
        (["runs/first", "hydra.run.dir=a"], "hydra.run.dir=a cannot be set: the folder of the new run is OUT"),
    ],
)
def test_what_cannot_be_repeated_is_refused_in_one_sentence(folder: Path, arguments: list[str], words: str) -> None:
    done = python(folder, "vall_e.repeat", *arguments)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_run_of_another_app_is_refused(folder: Path) -> None:
    run = folder / damaged(folder, "codec")
    hydra = run / ".hydra/hydra.yaml"
    hydra.write_text(hydra.read_text().replace("name: train", "name: train_codec"))
    done = python(folder, "vall_e.repeat", "runs/codec", "runs/none")
    assert done.returncode == 2
    assert "runs/codec is a run of train_codec, allowed: a run of train, evaluate, prepare" in done.stderr


def test_other_packages_and_another_commit_are_told_in_a_line_each(folder: Path) -> None:
    run = folder / damaged(folder, "elsewhere")
    (launched,) = json.loads((run / "environment.json").read_text())
    assert not [line for line in doubts(read_record(run)) if "ran on" in line]
    launched["packages"] |= {"torch": "2.0.0", "numpy": "1.0.0"}
    launched["git"] = {"commit": "0" * 40, "changed": True}
    (run / "environment.json").write_text(json.dumps([launched]))
    packages, commit, changed = doubts(read_record(run))
    assert 'torch "2.0.0" -> ' in packages and 'numpy "1.0.0" -> ' in packages
    assert f'commit "{"0" * 40}" -> ' in commit
    assert "had changes that its commit does not hold" in changed


def test_a_run_of_before_records_were_kept_is_doubted(folder: Path) -> None:
    run = folder / damaged(folder, "undated")
    (run / "environment.json").unlink()
    assert list(doubts(read_record(run))) == [
        f"{run} holds no environment.json: whether packages and code are the same is not known"
    ]
