"""The apps as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from vall_e.config.help import APPS, help_text
from vall_e.config.nearest import settings

REPOSITORY = Path(__file__).parents[2]


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python COMMAND` in `folder`, with this checkout importable."""
    kept = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"} | {"PYTHONPATH": str(REPOSITORY)}
    return forked.run(list(command), folder, kept | environment)


def app(name: str, *overrides: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("-m", f"vall_e.{name}", *overrides, folder=folder, **environment)


def test_composing_imports_neither_torch_nor_h5py(tmp_path: Path) -> None:
    code = """
import sys
import vall_e.evaluate, vall_e.evaluate_codec, vall_e.export, vall_e.plot, vall_e.prepare
import vall_e.train, vall_e.train_codec
from vall_e.config.composing import compose_config
compose_config("train", [])
print([name for name in ("torch", "h5py", "numpy", "tokenizers", "matplotlib") if name in sys.modules])
"""
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_cfg_shows_the_settings_and_writes_nothing(tmp_path: Path) -> None:
    done = app("train", "--cfg", "job", "--resolve", "model=ar+nar-llama-8", "audio_backend=encodec", folder=tmp_path)
    assert done.returncode == 0
    assert "size: full" in done.stdout and "hdf5_name: data/sample-encodec.h5" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_tells_examples_groups_and_the_values_in_force(tmp_path: Path) -> None:
    done = app("train", "--help", "experiment=demo", "seed=17", folder=tmp_path)
    assert done.returncode == 0
    for words in (
        "python -m vall_e.train experiment=demo",
        "ar+nar-llama-8",
        "seed=17",
        "--info defaults-tree",
        "-sc install=bash",
    ):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


@pytest.mark.parametrize("name", APPS)
def test_help_of_every_app_names_settings_that_exist(name: str) -> None:
    told = APPS[name]
    assert set(told.settings) <= set(settings(told.root))
    assert 3 <= len(told.examples) <= 8
    assert f"python -m {told.module}" in help_text(name)


def test_info_shows_which_file_brought_what(tmp_path: Path) -> None:
    done = app("train", "--info", "defaults-tree", folder=tmp_path)
    assert done.returncode == 0 and "model: ar+nar-tiny-llama-8" in done.stdout and "schema/model" in done.stdout


def test_a_reader_that_has_seen_enough_causes_no_traceback(tmp_path: Path) -> None:
    shown = f"{sys.executable} -m vall_e.train --info defaults-tree | true"
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["sh", "-c", shown], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_completion_offers_groups_options_and_settings(tmp_path: Path) -> None:
    def completed(line: str) -> list[str]:
        typed = {"COMP_LINE": line, "COMP_POINT": str(len(line))}
        return app("train", "-sc", "query=bash", folder=tmp_path, **typed).stdout.split()

    assert "model=ar+nar-llama-8" in completed("vall-e-train model=ar")
    assert "trainer.iterations=" in completed("vall-e-train trainer.it")


def test_a_wrong_setting_ends_with_status_2_and_no_traceback(tmp_path: Path) -> None:
    done = app("train", "model.droput=0.1", folder=tmp_path)
    assert done.returncode == 2
    assert "nearest: model.dropout" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_dataset_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    done = app("evaluate", folder=tmp_path)
    assert done.returncode == 2
    assert "python -m vall_e.prepare" in done.stderr and "Traceback" not in done.stderr


def test_hydra_full_error_shows_the_traceback(tmp_path: Path) -> None:
    done = app("evaluate", folder=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_sweep_goes_on_after_a_job_that_fails(tmp_path: Path) -> None:
    done = app("evaluate", "-m", "seed=-1,1", folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    told = done.stdout + done.stderr
    assert "seed=-1 is out of range" in told and "data/sample-builtin.h5 is not a file" in told
    assert sorted(p.name for p in next((tmp_path / "runs/sweeps").iterdir()).iterdir() if p.is_dir()) == ["0", "1"]


SMALL_APP = """
import hydra
from vall_e.config.conf_dir import conf_dir
from vall_e.config.startup import starts
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch

@hydra.main(config_path=conf_dir(), config_name="train", **VERSION_BASE)
@starts()
def run(cfg):
    print(type(cfg).__name__, cfg.model.dimensions.dim, cfg.dataset.hdf5_name)
    {body}

launch(run)
"""


def test_a_job_gets_typed_settings_and_keeps_them_resolved(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL_APP.format(body=""))
    done = run("small.py", folder=tmp_path)
    assert done.stdout == "Config 192 data/sample-builtin.h5\n", done.stderr
    kept = tmp_path / "runs/sample-ar+nar-tiny-llama-8"
    assert "hdf5_name: data/sample-builtin.h5" in (kept / "config.resolved.yaml").read_text()
    assert (kept / ".hydra/overrides.yaml").is_file()


def test_a_bug_shows_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL_APP.format(body="return [][1]"))
    done = run("small.py", folder=tmp_path)
    assert done.returncode == 1 and "IndexError" in done.stderr and "Traceback" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL_APP.format(body="open('/dev/full', 'wb', 0).write(b'weights')"))
    done = run("small.py", folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "No space left on device"


def test_an_interrupt_is_not_swallowed(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL_APP.format(body="raise KeyboardInterrupt"))
    assert "KeyboardInterrupt" in run("small.py", folder=tmp_path).stderr


def test_the_demo_runs_in_the_folder_that_the_readme_names(tmp_path: Path) -> None:
    assert (
        app("train", "--cfg", "hydra", "-p", "hydra.run", "experiment=demo", folder=tmp_path).stdout.split()[-1]
        == "runs/demo"
    )
