"""The batches of an epoch, kept as two arrays: a list a batch would take ten times the memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Batches(Sequence[list[int]]):
    """Batch b is the indices of utterances `order[ends[b - 1]:ends[b]]`, batches taken in the order `turns`."""

    def __init__(self, order: Numbers, ends: Numbers, turns: Numbers | None = None) -> None:
        """order: int64 [n]; ends: int64 [b], ascending, the last is n; turns: int64 [b], a permutation."""
        self._order, self._bounds, self._turns = order, np.append(0, ends), turns

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, place: int) -> list[int]: ...

    @overload
    def __getitem__(self, place: slice) -> list[list[int]]: ...

    def __getitem__(self, place: int | slice) -> list[int] | list[list[int]]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        number = place if self._turns is None else self._turns[place]
        batch: list[int] = self._order[self._bounds[number] : self._bounds[number + 1]].tolist()
        return batch
