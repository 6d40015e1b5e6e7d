"""The BitNet backbone: a transformer whose linear maps have weights of one bit (arXiv:2310.11453).

They normalise their inputs themselves, so layers have no norm before them.

Axes: S packed positions, d model width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import dropout, silu

from vall_e.config.model import ModelConfig

from .attention import Attention
from .attention_backbone import AttentionBackbone
from .backbone import draw_linears
from .bit_linear import BitLinear
from .llama import EPSILON, Rotation, SelfAttention, rotary


class BitFeedForward(nn.Module):
    """down(drop(norm(silu(up x)))): [S, d] -> [S, d]."""

    def __init__(self, dim: int, width: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.up_proj = BitLinear(dim, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.down_proj = BitLinear(width, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = dropout(self.norm(silu(self.up_proj(x))), self.rate, self.training)
        out: Tensor = self.down_proj(inner)
        return out


class BitNetLayer(nn.Module):
    """Attention and feed-forward, each beside a residual."""

    hands_on = True

    def __init__(self, dim: int, heads: int, kv_heads: int, rate: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(dim, heads, kv_heads, BitLinear)
        self.ffn = BitFeedForward(dim, 4 * dim, rate)

    def forward(self, x: Tensor, rotation: Rotation, attention: Attention, layer: int) -> Tensor:
        x = x + self.self_attn(x, rotation, attention, layer)
        out: Tensor = x + self.ffn(x)
        return out


class BitNet(AttentionBackbone):
    """Queries may share keys and values; positions are LLaMA's."""

    compiled = (BitFeedForward,)

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__(cfg)
        size = cfg.dimensions
        shape = (size.dim, size.heads, self.kv_heads, cfg.dropout)
        self.layers = nn.ModuleList(BitNetLayer(*shape) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.dim, eps=EPSILON)
        draw_linears(self)

    def shared(self, positions: Tensor, within: Attention) -> Rotation:
        """See `Backbone`: the rotation."""
        return rotary(positions, self.head_width)

    def leave(self, x: Tensor) -> Tensor:
        """See `Backbone`: normalised."""
        out: Tensor = self.norm(x)
        return out
