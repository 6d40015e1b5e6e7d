"""The Mixtral backbone: LLaMA whose MLPs are mixtures of experts (arXiv:2401.04088).

Axes: S packed positions, d model width, E experts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, one_hot

from vall_e.config.model import ModelConfig

from .attention import Attention
from .attention_backbone import AttentionBackbone
from .backbone import draw_linears
from .llama import EPSILON, ROPE_BASE, Rotation, SelfAttention, rotary
from .unused_table import unused_table

CHOSEN = 2
"""Experts at work for each position."""
MIXTRAL_EPSILON = 1e-5
MIXTRAL_ROPE_BASE = 1e6


class Expert(nn.Module):
    """w2(gelu(w1 x) * w3 x): [M, d] -> [M, d]."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, width, bias=False)
        self.w2 = nn.Linear(width, dim, bias=False)
        self.w3 = nn.Linear(dim, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.w2(gelu(self.w1(x)) * self.w3(x))
        return out


class SparseMixture(nn.Module):
    """The likeliest two of all experts for each position, weighed by their chances."""

    def __init__(self, dim: int, width: int, experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList(Expert(dim, width) for _ in range(experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [S, d] -> [S, d], and the balance loss."""
        chances = self.gate(x).float().softmax(-1)
        weights, chosen = chances.topk(CHOSEN, -1)
        weights = (weights / weights.sum(-1, keepdim=True)).to(x.dtype)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):  # also those that nothing goes to: ranks have to agree
            at, place = (chosen == index).nonzero(as_tuple=True)
            out = out.index_add(0, at, (expert(x[at]) * weights[at, place, None]).to(x.dtype))
        return out, balance_loss(chances, chosen)


def balance_loss(chances: Tensor, chosen: Tensor) -> Tensor:
    """E sum_e f_e P_e for chances [S, E] and chosen experts [S, 2]; 2 when all are chosen equally often.

    f_e: positions that expert e was chosen for, P_e: its mean chance (Switch Transformers, arXiv:2101.03961, eq. 4-6).
    """
    experts = chances.shape[-1]
    share = one_hot(chosen, experts).sum(1).float().mean(0)
    return experts * (share * chances.mean(0)).sum()


class MixtralLayer(nn.Module):
    """Attention and a mixture of experts, each behind a norm and beside a residual."""

    hands_on = True

    def __init__(self, dim: int, heads: int, kv_heads: int, experts: int, epsilon: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(dim, heads, kv_heads)
        self.block_sparse_moe = SparseMixture(dim, 4 * dim, experts)
        self.input_layernorm = nn.RMSNorm(dim, eps=epsilon)
        self.post_attention_layernorm = nn.RMSNorm(dim, eps=epsilon)

    def forward(self, x: Tensor, rotation: Rotation, attention: Attention, layer: int) -> tuple[Tensor, Tensor]:
        x = x + self.self_attn(self.input_layernorm(x), rotation, attention, layer)
        mixed, balance = self.block_sparse_moe(self.post_attention_layernorm(x))
        return x + mixed, balance


class Mixtral(AttentionBackbone):
    """With `arch_type=llama` norms and rotation stay those of LLaMA, so that its MLPs can be copied into experts."""

    compiled = (Expert,)

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__(cfg, attention_dropout=cfg.dropout)
        size, is_llama = cfg.dimensions, cfg.arch_type.lower() == "llama"
        epsilon = EPSILON if is_llama else MIXTRAL_EPSILON
        self.rope_base = ROPE_BASE if is_llama else MIXTRAL_ROPE_BASE
        self.embed_tokens = unused_table(cfg)
        shape = (size.dim, size.heads, self.kv_heads, cfg.experts, epsilon)
        self.layers = nn.ModuleList(MixtralLayer(*shape) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.dim, eps=epsilon)
        draw_linears(self)

    def shared(self, positions: Tensor, within: Attention) -> Rotation:
        """See `Backbone`: the rotation."""
        return rotary(positions, self.head_width, self.rope_base)

    def leave(self, x: Tensor) -> Tensor:
        """See `Backbone`: normalised."""
        out: Tensor = self.norm(x)
        return out
