"""Engines on any number of ranks make the same steps of the same data, and go on with each other's checkpoints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.engines.trajectory import UNTRAINED, opened, settings, trained
from tests.small_run import REPOSITORY, environment
from vall_e.engines.checkpoint import WEIGHTS
from vall_e.engines.ranks import ALONE

pytest.importorskip("deepspeed")

STEPS = 20
MOVED_STEPS = 8
"""Compared after a move: noise grows from step to step, and a state that was not restored shows at once."""
FROZEN = ("frozen-ddp", "frozen-fsdp", "frozen-zero2", "frozen-zero3")
TIED = ("tied-ddp", "tied-fsdp", "tied-zero2")
ENGINES = ("ddp", "fsdp", "zero0", "zero1", "zero2", "zero3")
TIGHT = ("tight-ddp", "tight-zero2")
MOVED = ("ddp@zero3", "zero0@ddp", "zero1@zero2", "zero2@one", "zero3@zero1", "fsdp@zero1", "zero1@fsdp")


def launch(*arguments: str) -> None:
    """Run `tests.engines.trajectory` on two ranks that torchrun starts."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    env = environment() | {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        [*command, "-m", "tests.engines.trajectory", *arguments],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def out(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints and losses: of one process over STEPS and MOVED_STEPS more, of the others over one of the two."""
    folder = tmp_path_factory.mktemp("trajectories")
    engine, loader = opened(settings(speech, "one", 1), ALONE)
    first = trained(engine, loader, STEPS)
    engine.write(engine.snapshot({"loader": loader.state_dict()}), folder / "one", "end")
    (folder / "one.json").write_text(json.dumps(first + trained(engine, loader, MOVED_STEPS)))
    launch(str(speech), str(folder), str(STEPS), str(MOVED_STEPS), *ENGINES, *MOVED, *TIGHT, *FROZEN, *TIED)
    return folder


def losses(out: Path, name: str) -> list[list[float]]:
    found: list[list[float]] = json.loads((out / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", TIGHT)
def test_a_rank_short_of_memory_splits_batches_and_changes_no_step(out: Path, name: str) -> None:
    for step, (found, expected) in enumerate(zip(losses(out, name), losses(out, "one"), strict=False)):
        assert found == pytest.approx(expected, abs=2e-4 * (step + 1)), f"step {step + 1}"


@pytest.mark.parametrize("name", ENGINES)
def test_two_ranks_make_the_steps_of_one_process(out: Path, name: str) -> None:
    for step, (found, expected) in enumerate(zip(losses(out, name), losses(out, "one"), strict=False)):
        assert found == pytest.approx(expected, abs=1e-5 * (step + 1)), f"step {step + 1}"


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_parameters_stay_and_are_saved(out: Path, speech: Path, name: str) -> None:
    for step, (found, expected) in enumerate(zip(losses(out, name), losses(out, FROZEN[0]), strict=True)):
        assert found == pytest.approx(expected, abs=2e-4 * (step + 1)), f"step {step + 1}"
    saved = load_file(out / name / "end" / WEIGHTS)
    fresh = opened(settings(speech, "one", 1), ALONE)[0].model.state_dict()
    assert saved.keys() == fresh.keys()
    same = {key for key, value in saved.items() if value.equal(fresh[key])}
    assert same >= set(UNTRAINED) and not same & {"model.norm.weight", "model.layers.0.mlp.down_proj.weight"}


@pytest.mark.parametrize("name", TIED)
def test_tied_heads_make_the_same_steps_everywhere(out: Path, name: str) -> None:
    for step, (found, expected) in enumerate(zip(losses(out, name), losses(out, TIED[0]), strict=True)):
        assert found == pytest.approx(expected, abs=2e-4 * (step + 1)), f"step {step + 1}"
    assert losses(out, name)[-1][0] < losses(out, name)[0][0]


@pytest.mark.parametrize("name", MOVED)
def test_a_checkpoint_moves_between_engines_and_numbers_of_ranks(out: Path, name: str) -> None:
    both = zip(losses(out, name), losses(out, "one")[STEPS:], strict=True)
    for step, (found, expected) in enumerate(both):
        assert found == pytest.approx(expected, abs=2e-4 * (STEPS + step + 1)), f"step {STEPS + step + 1}"


@pytest.mark.parametrize("name", ENGINES)
def test_one_process_goes_on_with_the_checkpoint_of_two_ranks(out: Path, speech: Path, name: str) -> None:
    engine, loader = opened(settings(speech, "one", 1), ALONE, out / name / "end")
    for found, expected in zip(trained(engine, loader, 3), losses(out, "one")[STEPS:], strict=False):
        assert found == pytest.approx(expected, abs=4e-3)
