"""A codec whose blocks expand more than those of the one that it begins with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def widened(narrow: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the narrow codec in the sizes of a fresh one.

    New hidden units keep their fresh weights, and what they say is multiplied by 0, so that the codec computes the same
    (as Net2WiderNet, arXiv:1511.05641, but with new units in place of copies).
    """
    return {name: _widened(narrow[name], like) for name, like in fresh.items()}


def _widened(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape == like.shape:
        return tensor
    makes_hidden_units = tensor.shape[1:] == like.shape[1:]
    grown = like.clone() if makes_hidden_units else torch.zeros_like(like)
    grown[tuple(slice(size) for size in tensor.shape)] = tensor
    return grown
