"""Every setting can tell which file or override it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from vall_e.config.origins import origin_of, origins

from .test_apps import run

DEMO = "conf/experiment/demo.yaml"
TINY = "conf/model/ar+nar-tiny-llama-8.yaml"


def write_model(folder: Path, content: str) -> None:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "mine.yaml").write_text(content)


@pytest.mark.parametrize(
    ("overrides", "key", "expected"),
    [
        ([], "model.size", TINY),
        ([], "audio_backend", "conf/codec/builtin.yaml"),
        ([], "hyperparameters.learning_rate", "conf/hyperparameters/adamw.yaml"),
        (["experiment=demo"], "hyperparameters.learning_rate", DEMO),
        (["experiment=demo"], "evaluation.kwargs.max_duration", DEMO),
        (["experiment=demo"], "hyperparameters.optimizer", "conf/hyperparameters/adamw.yaml"),
        (["model=ar+nar-llama-8"], "model.loss_factors.text", "conf/model/ar+nar-llama-8.yaml"),
        (["experiment=demo", "trainer.iterations=7"], "trainer.iterations", "override trainer.iterations=7"),
        (["seed=1", "seed=2"], "seed", "override seed=2"),
        (["+hyperparameters.optimizer_params={eps:1e-9}"], "hyperparameters.optimizer_params.eps", "override +"),
        (["model=ar+nar-llama-8", "~model.loss_factors.text"], "model.loss_factors.resp", "conf/model/ar+nar-llama-8"),
    ],
)
def test_a_setting_tells_the_last_file_or_override_that_set_it(overrides: list[str], key: str, expected: str) -> None:
    assert origins("train", overrides)[key].startswith(expected)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ([], "seed"),
        ([], "model.resp_levels"),
        (["model=ar+nar-llama-8", "model=ar+nar-tiny-llama-8"], "model.tasks"),
        (["model=ar+nar-llama-8", "~model.loss_factors.text"], "model.loss_factors.text"),
        (["hydra.run.dir=x"], "hydra.run.dir"),
    ],
)
def test_defaults_and_settings_of_hydra_have_no_origin(overrides: list[str], key: str) -> None:
    assert key not in origins("train", overrides)


def test_a_mapping_that_replaces_a_name_takes_its_place() -> None:
    found = origins("train", ["model.size={dim:64,heads:2,layers:1}"])
    assert found["model.size.dim"] == "override model.size={dim:64,heads:2,layers:1}"
    assert "model.size" not in found and origin_of("model.size", found) == found["model.size.dim"]


def test_the_origin_of_a_setting_within_another_is_that_of_the_nearest_around_it() -> None:
    found = {"a": "x.yaml", "a.b.c": "y.yaml", "a.b.d": "z.yaml"}
    assert origin_of("a.b.c.0", found) == "y.yaml"
    assert origin_of("a.e", found) == "x.yaml"
    assert origin_of("b", found) is None


def test_a_file_of_the_user_is_told_by_its_path(tmp_path: Path) -> None:
    write_model(tmp_path, "defaults: [ar+nar-llama-8, _self_]\nlangs: 7\n")
    found = origins("train", [f"hydra.searchpath=[file://{tmp_path}]", "model=mine"])
    assert found["model.langs"] == f"{tmp_path}/model/mine.yaml"
    assert found["model.tasks"] == "conf/model/ar+nar-llama-8.yaml"


JOB = """
import hydra
from vall_e.config.conf_dir import conf_dir
from vall_e.config.origins import job_origins
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch

@hydra.main(config_path=conf_dir(), config_name="train", **VERSION_BASE)
def run(cfg):
    found = job_origins()
    print(found["model.langs"], found["seed"], sep="\\n")

launch(run)
"""


def test_a_running_job_knows_its_origins(tmp_path: Path) -> None:
    write_model(tmp_path / "mine", "langs: 7\n")
    (tmp_path / "job.py").write_text(JOB)
    command = ("job.py", "--config-dir", "mine")
    done = run(*command, "model=mine", "seed=3", folder=tmp_path)
    assert done.stdout.splitlines() == [f"{tmp_path}/mine/model/mine.yaml", "override seed=3"], done.stderr
    swept = run(*command, "-m", "model=mine", "seed=4,5", folder=tmp_path)
    assert "override seed=4\n" in swept.stdout and "override seed=5\n" in swept.stdout, swept.stderr
