"""Attention to all sequences of a packed batch in one call: FlexAttention (arXiv:2412.05496), meant for GPUs.

Axes: S packed positions, H heads, K heads of keys and values, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import AuxRequest, BlockMask, flex_attention

from .attention import PackedAttention
from .block_mask import packed_block_mask
from .flex_dropout import STEPS, chance_of, dropping


class FlexAttention:
    """Every sequence attends to itself alone, causally or in full; the mask is made once for all layers.

    On the CPU torch has the forward pass alone: where gradients are asked for, sequences are taken one by one there.
    """

    def __init__(self, lengths: Sequence[int], causal: Sequence[bool], dropout: float = 0.0) -> None:
        self.lengths, self.causal, self.dropout = list(lengths), list(causal), dropout
        self.one_by_one = PackedAttention(lengths, causal, dropout)
        self.masks: dict[torch.device, BlockMask] = {}

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [S, H, D], k and v [S, K, D] -> [S, H, D]."""
        if q.device.type == "cpu" and any(x.requires_grad for x in (q, k, v)):
            return self.one_by_one(layer, q, k, v)
        return self.attend(q, k, v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """As `__call__`, always in one call, or two with dropout."""
        at_once = tuple(x.transpose(0, 1)[None] for x in (q, k, v))
        run, shared = compiled(q.device.type), q.shape[1] != k.shape[1]
        settings = {"block_mask": self._mask(q.device), "enable_gqa": shared}
        out: Tensor = self._dropped(run, at_once, settings) if self.dropout else run(*at_once, **settings)
        return out[0].transpose(0, 1)

    def _dropped(self, run: Callable[..., Any], at_once: tuple[Tensor, ...], settings: dict[str, Any]) -> Tensor:
        """Dropout of what comes out of the softmax, where FlexAttention can only change what goes in.

        Its own sum over what is kept is put in place of that over all, by the logarithms of the two.
        """
        chance, sums = chance_of(self.dropout), AuxRequest(lse=True)
        _, whole = run(*at_once, return_aux=sums, **settings)
        out, kept = run(*at_once, return_aux=sums, score_mod=dropping(at_once[0], chance), **settings)
        share = (kept.lse - whole.lse).exp() * (STEPS / (STEPS - chance))
        dropped: Tensor = (out * share[..., None]).to(out.dtype)
        return dropped

    def _mask(self, device: torch.device) -> BlockMask:
        """Of all layers that lie on `device`."""
        if device not in self.masks:
            self.masks[device] = packed_block_mask(self.lengths, self.causal, device)
        return self.masks[device]


@cache
def compiled(device: str) -> Callable[..., Any]:
    """FlexAttention for any number of positions; unfused on the CPU, so that no C compiler is needed."""
    return torch.compile(flex_attention, dynamic=True, backend="eager" if device == "cpu" else "inductor")
