"""Two ranks of one run: what is left when one is lost, and when both are killed. VALL_E_KILLS=10 kills more often."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.forked import PATIENCE, Forked
from tests.free_port import free_port
from tests.small_run import REPOSITORY, checkpoints, environment, losses
from tests.training.test_resume import OVERRIDES
from vall_e.engines.checkpoint import find_checkpoint

KILLS = int(os.environ.get("VALL_E_KILLS", "1"))
STEPS = 16
Processes = list[Forked]


def started(folder: Path, speech: Path, overrides: Sequence[str]) -> Processes:
    """Both ranks of `python -m vall_e.train`, as a launcher starts them."""
    told = [f"dataset.hdf5_name={speech}", f"hydra.run.dir={folder}", *overrides]
    shared = environment() | {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    shared["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{shared['PATH']}"
    modules = ("deepspeed",) if "trainer=deepspeed" in overrides else ()
    numbers = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    command = ["-m", "vall_e.train", *OVERRIDES, *told]
    return [Forked(command, REPOSITORY, shared | number, modules) for number in numbers]


def ended(ranks: Processes) -> list[tuple[int | None, str]]:
    """Status and error output of each rank."""
    return [(process.returncode, told) for process in ranks for told in [process.communicate()[1]]]


def wait_for_step(folder: Path, step: int, ranks: Processes) -> None:
    """Return when so many steps are logged."""
    metrics, deadline = folder / "metrics.jsonl", time.monotonic() + PATIENCE
    while True:
        run = all(process.poll() is None for process in ranks)  # looked at first: the last steps are seen in any case
        if metrics.is_file() and len(metrics.read_text().splitlines()) >= step:
            return
        assert run and time.monotonic() < deadline, "".join(process.told() for process in ranks)
        time.sleep(0.01)


def final(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(folder) / f"{STEPS}/weights.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = final(one), final(other)
    return all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("trainer", ["local", "deepspeed"])
def test_a_lost_rank_ends_the_run_with_a_checkpoint_from_which_it_goes_on(
    speech: Path, tmp_path: Path, trainer: str
) -> None:
    if trainer == "deepspeed":
        pytest.importorskip("deepspeed")
    chosen = [f"trainer={trainer}", "trainer.weight_dtype=float32", "hyperparameters.torch_optimizer=true"]
    endless, whole = tmp_path / "lost", tmp_path / "whole"
    ranks = started(endless, speech, chosen)
    wait_for_step(endless, 5, ranks)
    ranks[1].kill()
    status, told = ended(ranks)[0]
    assert status == 2 and "another rank of the run is gone" in told and "Traceback" not in told
    folder = find_checkpoint(checkpoints(endless), None)
    assert folder is not None, told
    assert f"the same command goes on from step {folder.name}" in told
    chosen.append(f"trainer.iterations={int(folder.name) + 3}")
    assert [status for status, _ in ended(started(endless, speech, chosen))] == [0, 0]
    assert [status for status, _ in ended(started(whole, speech, chosen))] == [0, 0]
    assert losses(endless) == losses(whole)


def test_a_lost_rank_of_a_sharded_run_is_told_in_a_sentence(speech: Path, tmp_path: Path) -> None:
    ranks = started(tmp_path / "lost", speech, ["trainer=fsdp", "trainer.weight_dtype=float32", "trainer.amp=false"])
    wait_for_step(tmp_path / "lost", 5, ranks)
    ranks[1].kill()
    status, told = ended(ranks)[0]
    assert status == 2 and "the same command goes on from the last checkpoint" in told and "Traceback" not in told


@pytest.mark.parametrize("trainer", ["local", "deepspeed"])
def test_both_ranks_killed_again_and_again_end_as_if_they_were_not(speech: Path, tmp_path: Path, trainer: str) -> None:
    if trainer == "deepspeed":
        pytest.importorskip("deepspeed")
    told = [f"trainer={trainer}", f"trainer.iterations={STEPS}", "trainer.save_frequency=1"]
    if trainer == "deepspeed":
        told += ["trainer.weight_dtype=bfloat16", "hyperparameters.torch_optimizer=true"]
        told += ["trainer.deepspeed.zero_optimization_level=2", "trainer.gradient_checkpointing=true"]
    whole, killed, draw = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    assert [status for status, _ in ended(started(whole, speech, told))] == [0, 0]
    for number in range(KILLS):
        ranks = started(killed, speech, told)
        wait_for_step(killed, number + 1, ranks)
        time.sleep(draw.uniform(0, 0.05))
        for process in ranks:
            process.send_signal(signal.SIGKILL)
        ended(ranks)
    assert [status for status, _ in ended(started(killed, speech, told))] == [0, 0]
    assert losses(killed) == losses(whole)
    assert same(killed, whole)
