"""The LLaMA backbone: pre-norm, rotary positions, gated MLP.

Axes: S packed positions, d model width, H heads, D head width.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from .attention import Attention
from .checkpointing import Checkpointing

EPSILON = 1e-6
ROPE_BASE = 10_000.0


def rotary(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [S, 1, D / 2] of the rotation at each position (RoFormer, arXiv:2104.09864)."""
    frequencies = ROPE_BASE ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width)
    angles = positions[:, None, None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate x [S, H, D], pairing its first half with its second."""
    cos, sin = (part.to(x.dtype) for part in rotation)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class SelfAttention(nn.Module):
    """Projections around an `Attention`: [S, d] -> [S, d]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim, dim, bias=False) for _ in range(4))

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], attention: Attention, layer: int) -> Tensor:
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)) for p in (self.q_proj, self.k_proj, self.v_proj))
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

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(dim, heads)
        self.mlp = GatedMLP(dim, 4 * dim)
        self.input_layernorm = nn.RMSNorm(dim, eps=EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(dim, eps=EPSILON)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], attention: Attention, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, attention, layer)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Llama(nn.Module):
    """Hidden states of packed sequences: [S, d] -> [S, d], normalised."""

    def __init__(self, dim: int, heads: int, layers: int, layer_dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LlamaLayer(dim, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(dim, eps=EPSILON)
        self.head_width = dim // heads
        self.skip_chances = layer_dropout_chances(layers, layer_dropout)
        self.checkpointing = Checkpointing()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def compile_mlps(self, backend: str) -> None:
        """Compile the MLP of every layer with a backend of torch.compile, for any number of positions."""
        for module in self.modules():
            if isinstance(module, GatedMLP):
                module.compile(dynamic=True, backend=backend)

    def forward(self, x: Tensor, positions: Tensor, attention: Attention, skipped: Collection[int] = ()) -> Tensor:
        """x [S, d], positions int64 [S] -> [S, d]; layers in `skipped` are left out."""
        rotation = rotary(positions, self.head_width)
        checkpointing = self.checkpointing if self.training else Checkpointing()
        for index, layer in enumerate(self.layers):
            if index in skipped:
                continue
            x = checkpointing.run(layer, index, x, rotation, attention, index)
        out: Tensor = self.norm(x)
        return out


def layer_dropout_chances(layers: int, highest: float) -> list[float]:
    """Chance to skip each layer in training: highest * (2^(l / (N - 1)) - 1) (LayerSkip, arXiv:2404.16710)."""
    return [highest * (math.exp(index * math.log(2) / max(1, layers - 1)) - 1) for index in range(layers)]
