"""Attention over packed sequences: no position is ever padded.

Axes: S positions of all sequences together, H heads, K heads of keys and values, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from vall_e.config.model import GPU_ATTENTIONS
from vall_e.errors import ConfigError

from .attention_dropout import dropped_attention

KERNELS = {
    "eager": SDPBackend.MATH,
    "default": SDPBackend.MATH,
    "math": SDPBackend.MATH,
    "flash_(sdpa)": SDPBackend.FLASH_ATTENTION,
    "mem_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}


class Attention(Protocol):
    """How the queries of a layer meet keys and values: packed, or through a cache."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [S, H, D], k and v [S, K, D] -> [S, H, D]."""
        ...


def shared(x: Tensor, heads: int, axis: int) -> Tensor:
    """Keys or values with each of their heads repeated for the queries that share it, `heads` in all."""
    return x if x.shape[axis] == heads else x.repeat_interleave(heads // x.shape[axis], axis)


def check_device(name: str, device: torch.device) -> None:
    """ConfigError if `model.attention` runs on GPUs alone and `device` is none."""
    if name in GPU_ATTENTIONS and device.type == "cpu":
        raise ConfigError(
            f"model.attention={name} does not run on the CPU, allowed there: auto, sdpa, math, flash_(sdpa), flex"
        )


def kernel(name: str, device: torch.device) -> AbstractContextManager[None]:
    """The setting `model.attention` as a context; `auto` and `sdpa` let torch choose."""
    check_device(name, device)
    return sdpa_kernel(KERNELS[name]) if name in KERNELS else nullcontext()


class PackedAttention:
    """Every sequence attends to itself alone, causally or in full; one after another."""

    def __init__(
        self, lengths: Sequence[int], causal: Sequence[bool], dropout: float = 0.0, name: str = "auto"
    ) -> None:
        self.lengths, self.causal, self.dropout, self.name = list(lengths), list(causal), dropout, name

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [S, H, D], k and v [S, K, D] -> [S, H, D]."""
        k, v = (shared(x, q.shape[1], 1) for x in (k, v))
        pieces = zip(*(torch.split(x.transpose(0, 1), self.lengths, 1) for x in (q, k, v)), self.causal, strict=True)
        with kernel(self.name, q.device):
            out = [self._attend(*piece) for piece in pieces]
        return torch.cat(out, 1).transpose(0, 1)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        if self.dropout and q.device.type == "cpu" and self.name in ("auto", "sdpa"):
            return dropped_attention(q, k, v, self.dropout, causal)
        out: Tensor = scaled_dot_product_attention(q[None], k[None], v[None], dropout_p=self.dropout, is_causal=causal)
        return out[0]
