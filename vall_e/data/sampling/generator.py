"""The random numbers of a sample."""

from __future__ import annotations

import numpy as np
from numpy.random import PCG64, Generator

WORD = 1 << 32


def generator(*key: int) -> Generator:
    """`numpy.random.default_rng(key)`, sooner: it need not find out how many words of 32 bits each number has."""
    return Generator(PCG64(np.array(key, np.uint32) if max(key) < WORD else key))
