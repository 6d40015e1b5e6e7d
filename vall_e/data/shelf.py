"""Memory in which worker processes leave codes: through a pipe they would be copied five times, in small pieces."""

from __future__ import annotations

import mmap

import numpy as np

from .utterance import Codes

PLACE_BYTES = 1 << 23
"""Nearly two hours of codes of 8 levels at 75 frames a second; memory is taken only as far as it is written to."""


class Shelf:
    """So many places that a process and the workers it forks afterwards share; none is a shelf without memory.

    The process takes a place and tells a worker of it, which puts codes there; the process fetches them.
    """

    def __init__(self, places: int) -> None:
        self._memory = mmap.mmap(-1, places * PLACE_BYTES) if places else b""
        self._free = list(range(places))

    def take(self) -> int | None:
        """A place that nobody uses, None if there is none."""
        return self._free.pop() if self._free else None

    def put(self, place: int | None, codes: Codes) -> bool:
        """Leave codes [T, Q] at a place; False if there is none or they are too many."""
        if place is None or codes.nbytes > PLACE_BYTES:
            return False
        self._at(place, codes.shape)[:] = codes
        return True

    def fetch(self, place: int, shape: tuple[int, ...]) -> Codes:
        """A copy of the codes `shape` that lie at a place."""
        codes: Codes = self._at(place, shape).copy()
        return codes

    def free(self, place: int | None) -> None:
        """Give a place back."""
        if place is not None:
            self._free.append(place)

    def _at(self, place: int, shape: tuple[int, ...]) -> Codes:
        codes: Codes = np.ndarray(shape, np.int16, self._memory, place * PLACE_BYTES)
        return codes
