"""Every preset of the engine trains for some steps, or is refused in one sentence that names what is missing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.small_run import REPOSITORY, engine, losses, small
from vall_e.config.composing import compose_config
from vall_e.config.explain import explain
from vall_e.config.fault import is_users
from vall_e.config.startup import open_job
from vall_e.errors import VallEError
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
GROUPS = ("hyperparameters", "optimizations", "trainer", "lora")
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
