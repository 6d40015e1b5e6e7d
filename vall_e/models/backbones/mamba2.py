"""The Mamba-2 backbone: layers of a selective state space (arXiv:2405.21060), two in place of each transformer layer.

Names of parameters are those of the package mamba_ssm.

Axes: S packed positions, d model width, E = 2 d inner width, H heads, D width of the state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, rms_norm, silu, softplus

from vall_e.config.model import ModelConfig

from .causal_convolution import CausalConvolution
from .recurrence import Recurrence, RecurrentBackbone, State, precise, unrounded
from .state_space import scan, step

EPSILON = 1e-5
EXPAND = 2
STATE = 128
VIEW = 4
"""Positions that the convolution sees."""
STEPS = (1e-3, 1e-1)
"""Step sizes that heads begin with."""
DECAYS = (1.0, 16.0)


class GatedNorm(nn.Module):
    """RMSNorm of y * silu(gate): [S, E] -> [S, E]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, y: Tensor, gate: Tensor) -> Tensor:
        return rms_norm(y * silu(gate), y.shape[-1:], self.weight, EPSILON)


class Mixer(nn.Module):
    """A state space between projections, with a short convolution before it and a gate after: [S, d] -> [S, d]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        inner = EXPAND * dim
        self.parts, self.states = [inner, inner + 2 * STATE, heads], [inner, STATE, STATE]
        self.in_proj = nn.Linear(dim, sum(self.parts), bias=False)
        self.conv1d = CausalConvolution(self.parts[1], VIEW)
        first = torch.empty(heads).uniform_(*(math.log(size) for size in STEPS)).exp()
        self.dt_bias = nn.Parameter(first + torch.log(-torch.expm1(-first)))  # softplus of it is `first`
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(*DECAYS).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GatedNorm(inner)
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor, within: Recurrence, layer: int) -> Tensor:
        gate, mixed, sizes = torch.split(self.in_proj(x), self.parts, -1)
        begun = within.begun(layer)
        seen, last = self.conv1d(mixed, within.lengths, begun[0] if begun else None)
        with unrounded(x.device):
            y, state = self._evolve(precise(silu(seen)), precise(sizes), within, begun)
        within.keep(layer, (last, state))
        out: Tensor = self.out_proj(self.norm(y.to(x.dtype), gate))
        return out

    def _evolve(self, seen: Tensor, sizes: Tensor, within: Recurrence, begun: State | None) -> tuple[Tensor, Tensor]:
        """y [S, E] and the states after it, [B, H, E / H, D]."""
        values, b, c = torch.split(seen, self.states, -1)
        values, sizes = values.reshape(len(values), len(self.D), -1), softplus(sizes + precise(self.dt_bias))
        told = (values * sizes[..., None], -sizes * precise(self.A_log).exp(), b, c)
        if begun is not None:
            state, found = begun[1], list[Tensor]()
            for x, decay, key, query in within.steps(*told):
                y, state = step(x, decay, key, query, state)
                found.append(y)
            y = torch.stack(found, 1).flatten(0, 1)
        else:
            rows = [scan(*row) for row in zip(*(torch.split(part, within.lengths) for part in told), strict=True)]
            y, state = torch.cat([y for y, _ in rows]), torch.stack([last for _, last in rows])
        return (y + values * precise(self.D)[:, None]).flatten(-2), state


class Mamba2Layer(nn.Module):
    """A mixer behind a norm and beside a residual, which is kept in float32."""

    hands_on = True

    def __init__(self, dim: int, heads: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.mixer = Mixer(dim, heads)
        self.norm = nn.RMSNorm(dim, eps=EPSILON)

    def forward(self, x: Tensor, _: None, within: Recurrence, layer: int) -> Tensor:
        mixed = self.mixer(self.norm(x.to(self.norm.weight.dtype)), within, layer)
        return x + dropout(mixed, self.rate, self.training)


class Mamba2(RecurrentBackbone):
    """Position ids have no say: the order of positions is in the recurrence."""

    def __init__(self, cfg: ModelConfig) -> None:
        size = cfg.dimensions
        super().__init__(cfg, 2 * size.layers)
        heads = EXPAND * size.heads
        self.layers = nn.ModuleList(Mamba2Layer(size.dim, heads, cfg.dropout) for _ in range(2 * size.layers))
        self.norm_f = nn.RMSNorm(size.dim, eps=EPSILON)
        with torch.no_grad():
            for layer in self.layers:
                layer.get_parameter("mixer.out_proj.weight").div_(math.sqrt(len(self.layers)))

    def enter(self, x: Tensor, positions: Tensor) -> Tensor:
        """See `Backbone`."""
        return precise(x)

    def leave(self, x: Tensor) -> Tensor:
        """See `Backbone`: normalised, in the type of the weights."""
        out: Tensor = self.norm_f(x.to(self.norm_f.weight.dtype))
        return out
