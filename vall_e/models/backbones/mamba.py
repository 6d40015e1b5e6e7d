"""The Mamba backbone: layers of a selective state space (arXiv:2312.00752), two in place of each transformer layer.

Names of parameters are those of the package mamba_ssm.

Axes: S packed positions, d model width, E = 2 d channels, D width of the state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from vall_e.config.model import ModelConfig

from .causal_convolution import CausalConvolution
from .mixers import VIEW, Mixers, step_biases
from .recurrence import Recurrence, State, precise, unrounded
from .selective_scan import selective_scan

EXPAND = 2
STATE = 16
PER_RANK = 16
"""Width of the model for each dimension that the sizes of steps are told in."""


class Mixer(nn.Module):
    """A state space between projections, with a short convolution before it and a gate after: [S, d] -> [S, d]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner, rank = EXPAND * dim, math.ceil(dim / PER_RANK)
        self.parts = [rank, STATE, STATE]
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.conv1d = CausalConvolution(inner, VIEW)
        self.x_proj = nn.Linear(inner, sum(self.parts), bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, STATE + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, dim, bias=False)
        with torch.no_grad():
            self.dt_proj.weight.uniform_(-(rank**-0.5), rank**-0.5)
            self.dt_proj.bias.copy_(step_biases(inner))

    def forward(self, x: Tensor, within: Recurrence, layer: int) -> Tensor:
        mixed, gate = self.in_proj(x).chunk(2, -1)
        begun = within.begun(layer)
        seen, last = self.conv1d(mixed, within.lengths, begun[0] if begun else None)
        seen = silu(seen)
        told = self.x_proj(seen)
        with unrounded(x.device):
            y, state = self._evolve(seen, told, within, begun)
            y = y * silu(precise(gate))
        within.keep(layer, (last, state))
        out: Tensor = self.out_proj(y.to(x.dtype))
        return out

    def _evolve(self, seen: Tensor, told: Tensor, within: Recurrence, begun: State | None) -> tuple[Tensor, Tensor]:
        """y [S, E] and the states after it, [B, E, D]."""
        low, b, c = torch.split(told, self.parts, -1)
        sizes = softplus(precise(self.dt_proj(low.to(self.A_log.dtype))))
        values, rates = precise(seen), -precise(self.A_log).exp()
        parts = (values * sizes, sizes, precise(b), precise(c))
        y, state = selective_scan(parts, rates, within.lengths, begun[1] if begun else None)
        return y + values * precise(self.D), state


class Mamba(Mixers):
    """See above."""

    def __init__(self, cfg: ModelConfig) -> None:
        size = cfg.dimensions
        super().__init__(cfg, (Mixer(size.dim) for _ in range(2 * size.layers)))
