"""Which process of a run this is, as its launcher tells: torchrun, DeepSpeed's, or submitit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

PORTS = range(20_000, 30_000)
"""Where ranks of a job of submitit meet: below the ports that a system gives to connections, on Linux from 32768."""


def world_size() -> int:
    """Ranks of this launch; 1 without a launcher."""
    return _told("WORLD_SIZE", "num_tasks", 1)


def rank() -> int:
    """The number of this rank; 0 without a launcher."""
    return _told("RANK", "global_rank", 0)


def tell_torch() -> None:
    """Set in a job of submitit with several tasks the variables that torch reads; other launchers have set them."""
    if world_size() == 1 or "WORLD_SIZE" in os.environ:
        return
    from submitit.helpers import TorchDistributedEnvironment

    job = _submitit_job()
    # submitit would draw one that any connection may have, even that of a rank which looks for the first too early.
    os.environ.setdefault("MASTER_PORT", str(meeting_port(job.raw_job_id)))
    TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
    if job.num_nodes == 1:
        os.environ["MASTER_ADDR"] = "127.0.0.1"  # a machine may not know its own name


def meeting_port(job: str) -> int:
    """The port at which the ranks of a job meet; jobs of successive numbers, as in an array, have different ones."""
    digits = "".join(character for character in job if character in "0123456789")
    return PORTS[int(digits or 0) % len(PORTS)]


def without_local_rank(arguments: Sequence[str]) -> list[str]:
    """Arguments without `--local_rank=N`, which DeepSpeed's launcher adds though LOCAL_RANK says the same."""
    same = f"--local_rank={os.environ.get('LOCAL_RANK')}"
    return [argument for argument in arguments if argument != same]


def _told(variable: str, attribute: str, alone: int) -> int:
    if variable in os.environ:
        value = os.environ[variable]
        return int(value) if value.isdecimal() else alone
    return int(getattr(_submitit_job(), attribute, alone))


def _submitit_job() -> Any:
    """The job of submitit that this process is a task of, or None."""
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return None
    from submitit import JobEnvironment  # of the extra `slurm`; where it is set it is installed

    return JobEnvironment()
