"""The plain transformer: LayerNorm before each block, sinusoidal positions added to the input (arXiv:1706.03762).

Axes: S packed positions, d model width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from vall_e.config.model import ModelConfig

from .attention import Attention
from .attention_backbone import AttentionBackbone

BASE = 10_000.0


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of each position at width / 2 frequencies: int64 [S] -> float32 [S, width]."""
    half = width // 2
    frequencies = BASE ** (-torch.arange(half, device=positions.device, dtype=torch.float32) / half)
    angles = positions[:, None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


class FusedAttention(nn.Module):
    """One map for queries, keys and values: [S, d] -> [S, d]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, attention: Attention, layer: int) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        out: Tensor = self.to_out(attention(layer, q, k, v).flatten(-2))
        return out


class Residual(nn.Module):
    """A block behind a norm and beside a residual."""

    def __init__(self, block: nn.Module, dim: int, rate: float) -> None:
        super().__init__()
        self.rate, self.block, self.norm = rate, block, nn.LayerNorm(dim)

    def forward(self, x: Tensor, *arguments: Any) -> Tensor:
        return x + dropout(self.block(self.norm(x), *arguments), self.rate, self.training)


class FeedForward(nn.Sequential):
    """[S, d] -> [S, d]; weights files number the modules."""

    def __init__(self, dim: int, rate: float) -> None:
        super().__init__(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(rate), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:  # torch.compile passes over that of Sequential itself
        for module in self:
            x = module(x)
        return x


class TransformerBlock(nn.Module):
    """Attention, then feed-forward."""

    hands_on = True

    def __init__(self, dim: int, heads: int, rate: float) -> None:
        super().__init__()
        self.attn = Residual(FusedAttention(dim, heads), dim, rate)
        self.ffn = Residual(FeedForward(dim, rate), dim, rate)

    def forward(self, x: Tensor, _: None, attention: Attention, layer: int) -> Tensor:
        out: Tensor = self.ffn(self.attn(x, attention, layer))
        return out


class Transformer(AttentionBackbone):
    """Its output is not normalised."""

    compiled = (FeedForward,)

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__(cfg)
        size = cfg.dimensions
        self.blocks = nn.ModuleList(TransformerBlock(size.dim, size.heads, cfg.dropout) for _ in range(size.layers))

    @property
    def stack(self) -> nn.ModuleList:
        """See `Backbone`."""
        return self.blocks

    def enter(self, x: Tensor, positions: Tensor) -> Tensor:
        """See `Backbone`."""
        return x + sinusoids(positions, x.shape[-1]).to(x.dtype)

    def leave(self, x: Tensor) -> Tensor:
        """See `Backbone`."""
        return x
