"""The Mamba-2 backbones: layers of a selective state space with a scalar decay in each head (arXiv:2405.21060).

`mamba2` has two in place of each transformer layer and E = 2 d, `mamba2-hf` one and E = 4 d. Names of parameters are
those of the package mamba_ssm, which `Mamba2Model` of transformers shares.

Axes: S packed positions, d model width, E inner width, H heads, D width of the state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu, softplus

from vall_e.config.model import ModelConfig

from .causal_convolution import CausalConvolution
from .mixers import EPSILON, VIEW, Mixers, step_biases
from .recurrence import Recurrence, State, precise, unrounded
from .state_space import scan, step

STATE = 128
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

    def __init__(self, dim: int, heads: int, expand: int = 2) -> None:
        super().__init__()
        inner = expand * dim
        self.parts, self.states = [inner, inner + 2 * STATE, heads], [inner, STATE, STATE]
        self.in_proj = nn.Linear(dim, sum(self.parts), bias=False)
        self.conv1d = CausalConvolution(self.parts[1], VIEW)
        self.dt_bias = nn.Parameter(step_biases(heads))
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


class Mamba2(Mixers):
    """`mamba2`, or `mamba2-hf` with its other sizes; heads have the width that those of a transformer would have."""

    def __init__(self, cfg: ModelConfig, expand: int = 2, per_layer: int = 2) -> None:
        size = cfg.dimensions
        mixers = (Mixer(size.dim, expand * size.heads, expand) for _ in range(per_layer * size.layers))
        super().__init__(cfg, mixers)
