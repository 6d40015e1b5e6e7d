"""How ranks find each other when a run starts."""

from __future__ import annotations

import os
from concurrent.futures import Future, TimeoutError
from datetime import timedelta
from threading import Thread

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from vall_e.errors import RankLostError

PATIENCE = timedelta(minutes=10)
"""How long a rank waits for the others to start."""
Place = tuple[Store, int, int]
"""The store in which ranks leave their addresses, the number of this rank, how many there are."""


def meet(timeout: timedelta) -> Place:
    """Wait for all ranks at MASTER_ADDR and MASTER_PORT; what is asked of their store later may take `timeout`.

    RankLostError if they do not all come there within PATIENCE, or if the first finds its port taken.
    """
    found: Future[Place] = Future()
    # Not in this thread: torch waits for ever where another program listens at the port and does not answer, and
    # signals would be heard only afterwards.
    Thread(target=_look, args=(found,), daemon=True).start()
    try:
        store, rank, size = found.result(PATIENCE.total_seconds())
    except TimeoutError as error:
        raise RankLostError(_told(f"they did not all come within {PATIENCE.total_seconds():g} s")) from error
    except dist.DistError as error:
        raise RankLostError(_told(str(error).splitlines()[0])) from error
    store.set_timeout(timeout)
    return PrefixStore("default_pg", store), rank, size


def _look(found: Future[Place]) -> None:
    try:
        # Longer, so that torch does not come back while the process ends.
        found.set_result(next(rendezvous("env://", timeout=2 * PATIENCE)))
    except BaseException as error:
        found.set_exception(error)


def _told(problem: str) -> str:
    place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    return f"the ranks do not meet at {place} (MASTER_ADDR, MASTER_PORT): {problem}"
