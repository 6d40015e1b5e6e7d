"""Clips of several lengths in one batch of EnCodec, each encoded as it would be alone.

EnCodec is causal: what lies behind a clip changes nothing before its end. Only a convolution of several samples a step
looks further, to fill up its last step: it mirrors the clip there, which is brought about within the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

FEWEST_FRAMES = 8
"""Shorter clips are mirrored otherwise, too: at the beginning, with silence behind what there is of them."""


def silent_batch(waves: Sequence[Tensor], hop: int) -> Tensor:
    """float32 [B, 1, N], N a multiple of `hop`: each wave [n], and silence behind it."""
    batch = torch.zeros(len(waves), 1, -(-max(map(len, waves)) // hop) * hop)
    for row, wave in zip(batch, waves, strict=True):
        row[0, : len(wave)] = wave
    return batch


@contextmanager
def mirrored_ends(encoder: nn.Module, lengths: Tensor) -> Iterator[None]:
    """Within the block, `encoder` encodes each row of a batch as if it ended after its first `lengths` [B] samples."""

    def mirrored(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        nonlocal lengths
        step, (x,) = layer.conv.stride[0], inputs  # type: ignore[index]
        if step == 1:
            return None
        whole = -(-lengths // step) * step
        place, ends = torch.arange(x.shape[-1], device=x.device), lengths[:, None]
        source = torch.where((place >= ends) & (place < whole[:, None]), 2 * ends - 2 - place, place)
        lengths = whole // step
        return (x.gather(-1, source[:, None].expand_as(x)),)

    layers = [layer for layer in encoder.modules() if isinstance(getattr(layer, "conv", None), nn.Conv1d)]
    hooks = [layer.register_forward_pre_hook(mirrored) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
