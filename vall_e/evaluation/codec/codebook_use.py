"""How a codec uses its codes: what is never used, or always, carries no information."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CodebookUse:
    """Of every level, in their order: entropy in bits, and the share of codes that are used at all, 0 to 1.

    The entropy is at most the logarithm of the codebook's size. Few frames make both look smaller than they are.
    """

    frames: int
    codebook_size: int
    entropy_bits: list[float]
    used: list[float]


def codebook_use(codes: Iterable[Tensor], levels: int, codebook_size: int) -> CodebookUse:
    """The use over all frames of codes int [T, Q] of several utterances."""
    counts = np.zeros((levels, codebook_size), dtype=np.int64)
    for one in codes:
        for level, column in enumerate(one.long().T):
            counts[level] += np.bincount(column.numpy(), minlength=codebook_size)
    return CodebookUse(
        frames=int(counts[0].sum()),
        codebook_size=codebook_size,
        entropy_bits=[entropy_bits(row) for row in counts],
        used=[float(np.mean(row > 0)) for row in counts],
    )


def entropy_bits(counts: Counts) -> float:
    """-sum p log2 p of how often each code [entries] was used; 0 if none was."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(np.sum(shares * -np.log2(shares)))
