"""The processes of one run, and how they agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from vall_e.config.rank import world_size
from vall_e.errors import ConfigError, RankLostError

from .meeting import meet

T = TypeVar("T")

LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TIMEOUT = timedelta(hours=2)
"""How long a rank waits for the others, which may be evaluating or writing."""


@dataclass(frozen=True)
class Ranks:
    """Rank `rank` of `size`, the `local_rank`-th of its machine; alone it needs no process group.

    What is agreed here travels over gloo, whatever the gradients travel over. Every method but the properties is to
    be called by all ranks in the same order; RankLostError if another rank is gone.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes, logs and evaluates."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are other ranks."""
        return self.size > 1

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on any rank."""
        if not self.several:
            return flag
        found = torch.tensor([int(flag)])
        with alert():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found)

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, by rank."""
        if not self.several:
            return [value]
        found: list[T | None] = [None] * self.size
        with alert():
            dist.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def share(self, value: T) -> T:
        """The value of the first rank."""
        if not self.several:
            return value
        box = [value]
        with alert():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Go on when every rank has come here."""
        self.any(False)


ALONE = Ranks()


@contextmanager
def alert() -> Iterator[None]:
    """RankLostError in place of what torch raises when a peer of a collective is gone."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise
        raise RankLostError(f"another rank of the run is gone: {str(error).splitlines()[0]}") from error


@contextmanager
def alert_within() -> Iterator[None]:
    """`alert` for a block with more than collectives in it: a RuntimeError that tells of no peer passes."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "/gloo/" not in str(error):
            raise
        with alert():
            raise


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """The ranks that torchrun, DeepSpeed's or another launcher started, told by its environment variables.

    ConfigError if some of these are missing, RankLostError if the ranks do not meet. A process group that is there
    already is used and left as it is.
    """
    if world_size() == 1:
        yield ALONE
        return
    if missing := [name for name in LAUNCHED if name not in os.environ]:
        raise ConfigError(f"WORLD_SIZE={world_size()} tells of several ranks, but {', '.join(missing)} is not set")
    ours = not dist.is_initialized()
    if ours:
        on_gpu = device != "cpu" and torch.cuda.is_available()
        store, rank, size = meet(TIMEOUT)
        backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        if ours:
            dist.destroy_process_group()
