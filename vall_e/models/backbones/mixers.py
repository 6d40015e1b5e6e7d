"""Layers of selective state spaces, which the backbones mamba and mamba2 stack.

Names of parameters are those of the package mamba_ssm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from vall_e.config.model import ModelConfig

from .recurrence import Recurrence, RecurrentBackbone, precise

EPSILON = 1e-5
VIEW = 4
"""Positions that the convolution of a mixer sees."""
STEPS = (1e-3, 1e-1)
"""Step sizes that mixers begin with."""


class MixerLayer(nn.Module):
    """A mixer behind a norm and beside a residual, which is kept in float32."""

    hands_on = True

    def __init__(self, mixer: nn.Module, dim: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.mixer = mixer
        self.norm = nn.RMSNorm(dim, eps=EPSILON)

    def forward(self, x: Tensor, _: None, within: Recurrence, layer: int) -> Tensor:
        mixed = self.mixer(self.norm(x.to(self.norm.weight.dtype)), within, layer)
        return x + dropout(mixed, self.rate, self.training)


class Mixers(RecurrentBackbone):
    """A layer for each mixer, which has an `out_proj` and is called as mixer(x, within, layer): [S, d] -> [S, d].

    Position ids have no say: the order of positions is in the recurrence.
    """

    def __init__(self, cfg: ModelConfig, mixers: Iterable[nn.Module]) -> None:
        dim, mixers = cfg.dimensions.dim, list(mixers)
        super().__init__(cfg, len(mixers))
        self.layers = nn.ModuleList(MixerLayer(mixer, dim, cfg.dropout) for mixer in mixers)
        self.norm_f = nn.RMSNorm(dim, eps=EPSILON)
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


def step_biases(count: int) -> Tensor:
    """Biases [count] of which softplus makes sizes drawn from STEPS, evenly by their logarithms."""
    first = torch.empty(count).uniform_(*(math.log(size) for size in STEPS)).exp()
    return first + torch.log(-torch.expm1(-first))
