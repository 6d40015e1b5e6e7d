"""Worker processes that make batches ahead, and how these come back."""

from __future__ import annotations

import multiprocessing
import signal
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch.utils.data

from .dataset import Key, SpeechDataset
from .parcel import Parcel, pack
from .sample import Sample
from .shelf import Shelf
from .utterance import Codes

AHEAD = 2
"""Batches that each worker makes ahead."""
GRACE_SECONDS = 30
"""How long a worker outlives a SIGTERM."""


@dataclass(frozen=True)
class Order:
    """A batch to make, and the place on the shelf for its codes."""

    keys: list[Key]
    place: int | None


@dataclass(frozen=True)
class Delivery:
    """A batch made. Its codes, int16 of `shape`, lie at the place ordered, unless they come along."""

    parcel: Parcel
    place: int | None
    shape: tuple[int, ...]
    codes: Codes | None


class Workers(Iterator[list[Sample]]):
    """The batches that an endless iterator of keys asks for, in its order, made by `count` processes, at least one."""

    def __init__(self, dataset: SpeechDataset, batches: Iterator[list[Key]], count: int) -> None:
        # The system's way of starting processes: within a job of the joblib launcher, joblib's would be taken.
        start = multiprocessing.get_all_start_methods()[0]
        # One place more than there are batches on their way: the next is ordered before the last has been fetched.
        self._shelf = Shelf(AHEAD * count + 1 if start == "fork" else 0)
        deliveries = iter(_loader(_Desk(dataset, self._shelf), _orders(batches, self._shelf), count, start))
        self._deliveries: Iterator[Delivery] = deliveries
        # torch ends workers when the iterator is deleted, too late if that happens within a cycle or at exit: its
        # queues may be gone first. The finalizer keeps them until the workers have ended.
        self._end = weakref.finalize(self, _end, deliveries)

    def __next__(self) -> list[Sample]:
        made = next(self._deliveries)
        codes = made.codes
        if codes is None:
            assert made.place is not None
            codes = self._shelf.fetch(made.place, made.shape)
        self._shelf.free(made.place)
        return made.parcel.unpack(codes)

    def close(self) -> None:
        """End the processes."""
        self._end()


class _Desk(torch.utils.data.Dataset[Delivery]):
    """Where a worker makes what is ordered."""

    def __init__(self, dataset: SpeechDataset, shelf: Shelf) -> None:
        self._dataset, self._shelf = dataset, shelf

    def __getitem__(self, order: Order) -> Delivery:
        parcel, codes = pack(self._dataset.samples(order.keys))
        left = self._shelf.put(order.place, codes)
        return Delivery(parcel, order.place, codes.shape, None if left else codes)


def _orders(batches: Iterator[list[Key]], shelf: Shelf) -> Iterator[Order]:
    for keys in batches:
        yield Order(keys, shelf.take())


def _loader(desk: _Desk, orders: Iterator[Order], count: int, start: str) -> torch.utils.data.DataLoader[Delivery]:
    return torch.utils.data.DataLoader(
        desk,
        batch_size=None,
        sampler=orders,
        num_workers=count,
        prefetch_factor=AHEAD,
        collate_fn=_as_it_is,
        worker_init_fn=_outlive_signals,
        multiprocessing_context=start,
        # Its own generator: the seed of the workers must not be drawn from the training's random state.
        generator=torch.Generator(),
    )


def _end(deliveries: Any) -> None:
    deliveries._shutdown_workers()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in deliveries._workers:
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()  # one that hangs may have heard no signal, and Python would wait for it at exit


def _as_it_is(delivery: Any) -> Any:
    return delivery


def _outlive_signals(worker: int) -> None:
    # Ctrl-C and a scheduler's SIGTERM reach the whole process group. The parent then wants to finish its step and
    # save, which a dying worker would prevent; workers end when the parent closes them or is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE_SECONDS))
