"""How many levels each clip is coded with in training (SoundStream, arXiv:2107.03312, section III-C)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def kept_levels(rng: np.random.Generator, size: int, levels: int) -> Tensor:
    """Half the clips use all levels, the others a uniform number of them: int64 [size]; chance rounds half a clip."""
    keep = rng.integers(1, levels + 1, size)
    keep[: (size + rng.integers(2)) // 2] = levels
    return torch.from_numpy(keep)
