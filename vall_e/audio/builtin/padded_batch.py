"""Clips of several lengths in one batch, each encoded as it would be alone.

Two things tell a clip's end to an encoder: the spectrogram mirrors the samples there, and convolutions see zeros behind
the last frame. Both are brought about within the batch, so all that an encoder may do besides is frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def mirrored_batch(waves: Sequence[Tensor], lengths: Sequence[int], mirror: int, hop: int) -> Tensor:
    """float32 [B, N], N a multiple of `hop`: each wave [n], silent from its end to its length, then `mirror` samples
    of it backwards. Lengths are multiples of `hop` and exceed `mirror`."""
    batch = torch.zeros(len(waves), max(lengths) + -(-mirror // hop) * hop)
    for row, wave, length in zip(batch, waves, lengths, strict=True):
        row[: len(wave)] = wave
        row[length : length + mirror] = row[length - 1 - mirror : length - 1].flip(0)
    return batch


@contextmanager
def zeros_behind(encoder: nn.Module, frames: Tensor, longest: int) -> Iterator[None]:
    """Within the block, convolutions of `encoder` over [B, C, longest] see zeros behind the first `frames` [B]."""
    behind = (torch.arange(longest, device=frames.device) >= frames[:, None])[:, None]

    def emptied(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].masked_fill(behind, 0), *inputs[1:])

    hooks = [m.register_forward_pre_hook(emptied) for m in encoder.modules() if isinstance(m, nn.Conv1d)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
