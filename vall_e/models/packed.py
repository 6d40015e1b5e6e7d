"""Sequences of a batch end to end, as the backbone reads them.

Axes: S positions of all sequences together, d model width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .layout import Layout


@dataclass(frozen=True)
class Packed:
    """Sequences end to end: embeddings [S, d], positions int64 [S], and the layout of each."""

    embeddings: Tensor
    positions: Tensor
    layouts: tuple[Layout, ...]

    @property
    def lengths(self) -> list[int]:
        """Vectors of each sequence."""
        return [layout.length for layout in self.layouts]


def occupancy(packed: Packed) -> dict[str, Tensor]:
    """Positions the backbone computed, and the share of them that belongs to no sequence."""
    computed = len(packed.embeddings)
    waste = 1 - sum(packed.lengths) / computed
    return {"positions": torch.tensor(computed), "padding_waste": torch.tensor(waste)}
