"""Which frames of level 0 are hidden in masked decoding (NAR-len), in training and when speaking."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from vall_e.config.model import ModelConfig

MIDDLE = (0.2, 0.8)
"""The times that `masking_ratio=rand` draws from."""


def hidden_share(time: float) -> float:
    """Share of hidden frames at a time of 0 (all) to 1 (none): cos(pi t / 2) (MaskGIT, arXiv:2202.04200)."""
    return math.cos(math.pi / 2 * time)


def masking_chance(cfg: ModelConfig, level: int) -> float:
    """Chance that a sample drawn for `level` learns masked decoding: 0 without `len`, 1 for level 0 without `ar`."""
    flags = cfg.experimental
    lowest, highest = flags.masking_train_rvq_levels
    if "len" not in cfg.capabilities:
        return 0.0
    if level == 0 and "ar" not in cfg.capabilities:
        return 1.0
    return flags.masking_train_p if lowest <= level <= highest else 0.0


def draw_mask(frames: int, ratio: float | str, generator: Generator) -> Tensor:
    """Hidden frames bool [T], at least one, each by a chance: `ratio`, or that of a time drawn from 0..1 or MIDDLE."""
    if isinstance(ratio, str):
        lowest, highest = MIDDLE if ratio == "rand" else (0.0, 1.0)
        ratio = hidden_share(lowest + (highest - lowest) * float(torch.rand((), generator=generator)))
    drawn = torch.rand(frames, generator=generator)
    return (drawn < ratio) | (drawn == drawn.min())
