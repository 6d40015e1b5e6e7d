"""Random numbers of a request. What is thrown does not depend on what else is drawn, nor on when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

THROWN_AT_ONCE = 256


class Dice:
    """Uniform numbers in [0, 1) by stream, for example an RVQ level, and by their place in it, for example a frame."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[tuple[int, ...], Generator] = {}
        self._thrown: dict[tuple[int, ...], Tensor] = {}

    def throw(self, stream: tuple[int, ...], count: int, first: int = 0) -> Tensor:
        """Numbers `first` to `first + count` of a stream: float64 [count]."""
        thrown = self._thrown.get(stream, torch.zeros(0, dtype=torch.float64))
        while len(thrown) < first + count:
            more = torch.rand(THROWN_AT_ONCE, dtype=torch.float64, generator=self._generator(stream))
            thrown = torch.cat([thrown, more])
        self._thrown[stream] = thrown
        return thrown[first : first + count]

    def _generator(self, stream: tuple[int, ...]) -> Generator:
        if stream not in self._generators:
            seed = np.random.SeedSequence((self._seed, *stream)).generate_state(1, np.uint64)[0]
            self._generators[stream] = Generator().manual_seed(int(seed) >> 1)
        return self._generators[stream]


def seeded(seed: int, requests: int) -> Sequence[Dice]:
    """Dice for each request, all alike, so that one draws the same alone and in a batch."""
    return [Dice(seed) for _ in range(requests)]


def throw_each(dice: Iterable[tuple[Dice, int]], stream: tuple[int, ...]) -> Tensor:
    """One number of a stream from each, at its place: float64 [B]."""
    return torch.cat([one.throw(stream, 1, place) for one, place in dice])
