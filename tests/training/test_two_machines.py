"""Two ranks that reach each other over a network alone: each has a network namespace of its own, as a machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_run import checkpoints, environment, losses
from tests.training.test_resume import OVERRIDES

STEPS = 4
ADDRESSES = ("10.203.77.1", "10.203.77.2")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by one cable; skips the test where they cannot be made."""
    names = (f"vall-e-{os.getpid()}-a", f"vall-e-{os.getpid()}-b")
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs the right to make network namespaces: {error.stderr.decode().strip()}")
    else:
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def node(number: int, machine: str, overrides: list[str]) -> subprocess.Popen[str]:
    """torchrun on one machine, as docs/multi-node.md tells."""
    torchrun = ["--nnodes=2", "--nproc-per-node=1", f"--node-rank={number}"]
    torchrun += [f"--master-addr={ADDRESSES[0]}", "--master-port=29400"]
    launcher = ["ip", "netns", "exec", machine, sys.executable, "-m", "torch.distributed.run", *torchrun]
    return subprocess.Popen(
        [*launcher, "--module", "vall_e.train", *overrides],
        env=environment() | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "cable"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_machines_train_one_model(machines: tuple[str, str], speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    told = [*OVERRIDES, f"dataset.hdf5_name={speech}", f"hydra.run.dir={folder}", f"trainer.iterations={STEPS}"]
    nodes = [node(number, machine, told) for number, machine in enumerate(machines)]
    try:
        ended = [(process.communicate(timeout=600)[1], process.returncode) for process in nodes]
    finally:
        for process in nodes:
            process.kill()
    assert [status for _, status in ended] == [0, 0], "".join(told for told, _ in ended)
    assert sorted(losses(folder)) == [1, 2, 3, 4]
    assert (checkpoints(folder) / str(STEPS) / "weights.safetensors").is_file()
    assert (folder / "train.log").is_file() and (folder / "logs" / "rank1.log").is_file()
