"""Reading in threads while the codec works: libsndfile and soxr run beside Python."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4
"""Results that wait for each thread."""

BYTES_AHEAD = 64 * 2**20
"""Bytes of results that wait at most, and one more for each thread: 64 MiB are eleven minutes of sound at 24 kHz."""


def read_ahead(items: Iterable[T], read: Callable[[T], R], workers: int) -> Iterator[tuple[T, R]]:
    """(item, what `read` makes of it) in order; an exception of `read` is raised when its item's turn comes.

    Arrays that wait count by their bytes, so hours of sound are not read while nobody takes what is read already.
    """
    waiting: deque[tuple[T, Future[R]]] = deque()
    room = _Room()
    pool = ThreadPoolExecutor(workers)

    def within_room(number: int, item: T) -> R:
        room.wait(number)
        found = read(item)
        room.fill(_bytes(found))
        return found

    def taken() -> tuple[T, R]:
        item, future = waiting.popleft()
        found = future.result()
        room.free(_bytes(found))
        return item, found

    try:
        for number, item in enumerate(items):
            waiting.append((item, pool.submit(within_room, number, item)))
            if len(waiting) > AHEAD * workers:
                yield taken()
        while waiting:
            yield taken()
    finally:
        room.open()
        pool.shutdown(wait=True, cancel_futures=True)


class _Room:
    """Lets reading begin where there is room for its result. What is taken next always begins, so nobody waits for
    ever."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._filled = self._next = 0
        self._open = False

    def wait(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._open or number <= self._next or self._filled < BYTES_AHEAD)

    def fill(self, size: int) -> None:
        with self._changed:
            self._filled += size

    def free(self, size: int) -> None:
        with self._changed:
            self._filled -= size
            self._next += 1
            self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()


def _bytes(found: object) -> int:
    return int(getattr(found, "nbytes", 0))
