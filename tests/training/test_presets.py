"""Every preset of model and engine trains for some steps, or is refused in one sentence that names what is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.small_run import REPOSITORY, engine, losses, rows, small
from vall_e.config.composing import compose_config
from vall_e.config.explain import explain
from vall_e.config.fault import is_users
from vall_e.config.schema import Config
from vall_e.config.startup import open_job
from vall_e.errors import VallEError
from vall_e.models.weights.weights_file import load_weights
from vall_e.training.loop import train

SMALL = (
    "device=cpu",
    "model.size={dim:32,heads:2,layers:2}",
    "dataset.duration_range=[0.1,2]",
    "dataset.prompt_duration_range=[0.1,0.2]",
    "dataset.workers=0",
    "hyperparameters.batch_size=2",
    "trainer.iterations=2",
    "trainer.tensorboard=false",
    "evaluation.size=0",
)
GROUPS = ("hyperparameters", "optimizations", "trainer", "lora", "model")
FRAGMENTS = [path for group in GROUPS for path in sorted((REPOSITORY / "conf" / group).glob("*.yaml"))]
MISSING = ("needs", "does not", "refuses", "pip install")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed looks for a GPU of its own."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")


@pytest.fixture(scope="module")
def teacher(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a model that can teach the small one."""
    path = tmp_path_factory.mktemp("teacher") / "fp32.safetensors"
    one = engine(small(speech))
    one.write_weights(path, one.weights(), one.global_step)
    return path


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_a_preset_trains_or_is_refused_in_one_sentence(
    fragment: Path, speech: Path, teacher: Path, tmp_path: Path
) -> None:
    group, option = fragment.parent.name, fragment.stem
    chosen = f"+lora@loras.voice={option}" if group == "lora" else f"{group}={option}"
    overrides = [chosen, *SMALL, f"dataset.hdf5_name={speech}"]
    overrides += [f"teacher={teacher}"] if option == "distill" else []
    refused = "Needs" in fragment.read_text(encoding="utf-8").partition("defaults:")[0]
    try:
        train(open_job(compose_config("train", overrides)), tmp_path)
    except VallEError as error:
        assert is_users(error) and any(word in explain(error) for word in MISSING), error
        assert refused or option in ONLY_ELSEWHERE, error
        return
    assert not refused and sorted(losses(tmp_path)) == [1, 2]
    assert all(math.isfinite(loss) for loss in losses(tmp_path).values())


ONLY_ELSEWHERE: tuple[str, ...] = ("fp8", "deepspeed-compression")
"""Presets that want other hardware or another version of a package than tests have."""


@pytest.fixture(scope="module")
def reference(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the reference model, but for its size."""
    path = tmp_path_factory.mktemp("reference") / "fp32.safetensors"
    overrides = ("model=ar+nar-llama-8", *SMALL, "model.size={dim:48,heads:2,layers:3}", f"dataset.hdf5_name={speech}")
    one = engine(open_job(compose_config("train", overrides)))
    one.write_weights(path, one.weights(), one.global_step)
    return path


def preset(speech: Path, *overrides: str) -> Config:
    return open_job(compose_config("train", [*overrides, *SMALL, f"dataset.hdf5_name={speech}"]))


def test_the_preset_of_a_voice_trains_an_adapter(speech: Path, teacher: Path, tmp_path: Path) -> None:
    cfg = preset(speech, "experiment=finetune/lora-voice", f"weights={teacher}")
    train(cfg, tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2]
    (folder,) = (tmp_path / "ckpt").iterdir()
    assert folder.name == "lora-r8-a8" and (folder / "lora.safetensors").is_file()
    kept, own = load_file(folder / "2/weights.safetensors"), load_file(teacher)
    assert all(tensor.equal(own[name]) for name, tensor in kept.items())


def test_the_preset_of_distillation_trains_a_student(speech: Path, reference: Path, tmp_path: Path) -> None:
    cfg = preset(speech, "experiment=distill/quarter", f"teacher={reference}")
    train(cfg, tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2]
    first = rows(tmp_path)[0]
    assert first["kl"] > 0 and first["loss"] == pytest.approx(first["kl"] + first["nll"], rel=1e-5)
    (folder,) = (tmp_path / "ckpt").iterdir()
    student = load_weights(folder / "fp32.safetensors", torch.device("cpu")).config
    assert (student.dimensions.dim, student.teacher) == (32, False)
    train(replace(cfg, trainer=replace(cfg.trainer, iterations=3)), tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2, 3], "it resumes"


def test_zeros_third_stage_also_writes_what_it_does_not_train(speech: Path, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    cfg = preset(speech, "trainer=deepspeed-zero3", "model=ar+nar-8xmixtral-8", "model.frozen_params=[sep]")
    train(cfg, tmp_path)
    (folder,) = (tmp_path / "ckpt").iterdir()
    tensors = load_weights(folder / "fp32.safetensors", torch.device("cpu")).model.state_dict()
    assert tensors["sep"].any() and tensors["model.embed_tokens.weight"].any()
    train(replace(cfg, trainer=replace(cfg.trainer, iterations=3)), tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2, 3], "it resumes"
