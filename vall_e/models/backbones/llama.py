"""The LLaMA backbone: pre-norm, rotary positions, gated MLP.

Axes: S packed positions, d model width, H heads, K heads of keys and values, D head width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from vall_e.config.model import ModelConfig

from .attention import Attention
from .attention_backbone import AttentionBackbone
from .backbone import draw_linears

EPSILON = 1e-6
ROPE_BASE = 10_000.0

Rotation = tuple[Tensor, Tensor]


def rotary(positions: Tensor, width: int, base: float = ROPE_BASE) -> Rotation:
    """Cosines and sines [S, 1, D / 2] of the rotation at each position (RoFormer, arXiv:2104.09864)."""
    frequencies = base ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width)
    angles = positions[:, None, None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate x [S, H, D], pairing its first half with its second."""
    cos, sin = (part.to(x.dtype) for part in rotation)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class SelfAttention(nn.Module):
    """Projections around an `Attention`: [S, d] -> [S, d].

    With K < H every key and value is shared by H / K queries (grouped-query attention, arXiv:2305.13245).
    """

    def __init__(self, dim: int, heads: int, kv_heads: int, linear: type[nn.Linear] = nn.Linear) -> None:
        super().__init__()
        self.width = dim // heads
        self.q_proj = linear(dim, dim, bias=False)
        self.k_proj, self.v_proj = (linear(dim, kv_heads * self.width, bias=False) for _ in range(2))
        self.o_proj = linear(dim, dim, bias=False)

    def forward(self, x: Tensor, rotation: Rotation, attention: Attention, layer: int) -> Tensor:
        q, k, v = (p(x).unflatten(-1, (-1, self.width)) for p in (self.q_proj, self.k_proj, self.v_proj))
        out: Tensor = self.o_proj(attention(layer, rotate(q, rotation), rotate(k, rotation), v).flatten(-2))
        return out


class GatedMLP(nn.Module):
    """down(gelu(gate x) * up x): [S, d] -> [S, d]."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, width, bias=False)
        self.up_proj = nn.Linear(dim, width, bias=False)
        self.down_proj = nn.Linear(width, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(gelu(self.gate_proj(x)) * self.up_proj(x))
        return out


class LlamaLayer(nn.Module):
    """Attention and MLP, each behind a norm and beside a residual."""

    hands_on = True
    """The next layer takes the output: see `offload`."""

    def __init__(self, dim: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(dim, heads, kv_heads)
        self.mlp = GatedMLP(dim, 4 * dim)
        self.input_layernorm = nn.RMSNorm(dim, eps=EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(dim, eps=EPSILON)

    def forward(self, x: Tensor, rotation: Rotation, attention: Attention, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, attention, layer)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Llama(AttentionBackbone):
    """Layers of LLaMA (arXiv:2302.13971) with an exact GELU; dense Mistral is the same."""

    compiled = (GatedMLP,)

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__(cfg, attention_dropout=cfg.dropout)
        size = cfg.dimensions
        self.layers = nn.ModuleList(LlamaLayer(size.dim, size.heads, self.kv_heads) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.dim, eps=EPSILON)
        draw_linears(self)

    def shared(self, positions: Tensor, within: Attention) -> Rotation:
        """See `Backbone`: the rotation."""
        return rotary(positions, self.head_width)

    def leave(self, x: Tensor) -> Tensor:
        """See `Backbone`: normalised."""
        out: Tensor = self.norm(x)
        return out
