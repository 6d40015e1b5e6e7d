"""Levels that take turns, frame after frame, as models with `experimental.interleave` say them.

Axes: T frames, Q RVQ levels, C codes in the order in which they are said.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def interleave(response: Tensor, stop: int) -> Tensor:
    """All codes of a response and the stop code, in place of the next frame's first: int [T, Q] -> [T * Q + 1]."""
    return torch.cat([response.flatten(), response.new_full((1,), stop)])


def frames_of(codes: Sequence[int], levels: int) -> Tensor:
    """The frames that codes without a stop make up, an unfinished last one left out: int64 [T, Q]."""
    whole = len(codes) // levels * levels
    return torch.tensor(codes[:whole], dtype=torch.int64).view(-1, levels)
