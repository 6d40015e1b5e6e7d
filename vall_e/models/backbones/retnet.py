"""The RetNet backbone: retention in place of attention (arXiv:2307.08621).

Axes: S packed positions, d model width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, rms_norm, silu

from vall_e.config.model import ModelConfig

from .recurrence import Recurrence, RecurrentBackbone, precise, unrounded
from .retention import Rotation, angles, decays, retain, retain_next, retained, rotate_pairs, rotation
from .unused_table import unused_table

EPSILON = 1e-6


class Retention(nn.Module):
    """Projections and a gate around retention: [S, d] -> [S, d]. Values are twice as wide as keys."""

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.q_proj, self.k_proj = (nn.Linear(dim, dim, bias) for _ in range(2))
        self.v_proj, self.g_proj = (nn.Linear(dim, 2 * dim, bias) for _ in range(2))
        self.out_proj = nn.Linear(2 * dim, dim, bias)
        for linear in (self.q_proj, self.k_proj, self.v_proj, self.g_proj):
            nn.init.xavier_uniform_(linear.weight, gain=2**-2.5)
        nn.init.xavier_uniform_(self.out_proj.weight, gain=2**-1)

    def forward(self, x: Tensor, turned: Rotation, within: Recurrence, layer: int) -> Tensor:
        q, k, v = (precise(p(x).unflatten(-1, (self.heads, -1))) for p in (self.q_proj, self.k_proj, self.v_proj))
        with unrounded(x.device):
            q, k = rotate_pairs(q, turned), rotate_pairs(k * self.scale, turned)
            seen = self._retain(q, k, v, within, layer)
            heard = rms_norm(seen, seen.shape[-1:], eps=EPSILON).flatten(-2).to(x.dtype)
        out: Tensor = self.out_proj(heard * silu(self.g_proj(x)))
        return out

    def _retain(self, q: Tensor, k: Tensor, v: Tensor, within: Recurrence, layer: int) -> Tensor:
        decay = decays(self.heads, q.device)
        if (begun := within.begun(layer)) is not None:
            left, found = begun[0], list[Tensor]()
            for query, key, value, seen in within.steps(q, k, v, within.places(q.device)):
                out, left = retain_next(query, key, value, decay, left, seen)
                found.append(out)
            within.keep(layer, (left,))
            return torch.stack(found, 1).flatten(0, 1)
        queries, keys, values = (torch.split(part, within.lengths) for part in (q, k, v))
        if within.keeps:
            left = torch.stack([retained(*known, decay) for known in zip(keys, values, strict=True)])
            within.keep(layer, (left,))
        return torch.cat([retain(*piece, decay) for piece in zip(queries, keys, values, strict=True)])


class FeedForward(nn.Module):
    """fc2(gelu(fc1 x) * gate x), before 2024-05 fc2(LN(gelu(fc1 x))): [S, d] -> [S, d]."""

    def __init__(self, dim: int, old: bool) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim, old), nn.Linear(4 * dim, dim, old)
        if old:
            self.ffn_layernorm = nn.LayerNorm(4 * dim, eps=EPSILON)
        else:
            self.gate = nn.Linear(dim, 4 * dim, bias=False)
        self.old = old

    def forward(self, x: Tensor) -> Tensor:
        inner = gelu(self.fc1(x))
        out: Tensor = self.fc2(self.ffn_layernorm(inner) if self.old else inner * self.gate(x))
        return out


class RetNetLayer(nn.Module):
    """Retention and feed-forward, each behind a norm and beside a residual."""

    hands_on = True

    def __init__(self, dim: int, heads: int, rate: float, old: bool) -> None:
        super().__init__()
        norm = nn.LayerNorm if old else nn.RMSNorm
        self.rate = rate
        self.retention = Retention(dim, heads, bias=old)
        self.retention_layer_norm = norm(dim, eps=EPSILON)
        self.ffn = FeedForward(dim, old)
        self.final_layer_norm = norm(dim, eps=EPSILON)

    def forward(self, x: Tensor, turned: Rotation, within: Recurrence, layer: int) -> Tensor:
        retention = self.retention(self.retention_layer_norm(x), turned, within, layer)
        x = x + dropout(retention, self.rate, self.training)
        return x + dropout(self.ffn(self.final_layer_norm(x)), self.rate, self.training)


class RelativePosition(nn.Module):
    """What weights files hold of angles and decays. Layers compute them anew: these may have been rounded."""

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.register_buffer("angle", angles(width))
        self.register_buffer("decay", decays(heads))


class RetNet(RecurrentBackbone):
    """Places count from the start of a sequence, whatever its position ids are.

    `old`: the layout of files of 2023-10 to 2024-05, with LayerNorm, biases and a feed-forward without gate. Its
    tensors tell: it has `retention.q_proj.bias`, the other one has `ffn.gate.weight`.
    """

    compiled = (FeedForward,)

    def __init__(self, cfg: ModelConfig, old: bool = False) -> None:
        super().__init__(cfg)
        size, self.rate = cfg.dimensions, cfg.dropout
        self.width = size.dim // size.heads
        self.layers = nn.ModuleList(RetNetLayer(size.dim, size.heads, cfg.dropout, old) for _ in range(size.layers))
        self.layer_norm = (nn.LayerNorm if old else nn.RMSNorm)(size.dim, eps=EPSILON)
        self.retnet_rel_pos = RelativePosition(size.heads, self.width)
        if cfg.arch_type.lower() == "retnet-hf":
            self.embed_tokens = unused_table(cfg)

    def enter(self, x: Tensor, positions: Tensor) -> Tensor:
        """See `Backbone`."""
        return dropout(x, self.rate, self.training)

    def shared(self, positions: Tensor, within: Recurrence) -> Rotation:
        """See `Backbone`: the rotation."""
        return rotation(within.places(positions.device), self.width)

    def leave(self, x: Tensor) -> Tensor:
        """See `Backbone`: normalised."""
        out: Tensor = self.layer_norm(x)
        return out
