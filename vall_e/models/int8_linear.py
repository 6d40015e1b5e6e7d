"""Linear maps of 8-bit integers, for speaking on a CPU: a quarter of the memory is read at every step.

Axes: N inputs, M outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vall_e.errors import ConfigError

from .swapping.swap import swap
from .vall_e import VallE

LARGEST = 127
SMALLEST_SCALE = 1e-12


class Int8Linear(nn.Module):
    """A linear map whose weights are integers with a scale for each output, and whose inputs are with one each.

    Sums of integers are exact, so what an input gives does not depend on the others that are computed with it.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = to_int8(linear.weight.detach().float())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale[:, 0])
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """x [..., N] -> [..., M]."""
        rows, scale = to_int8(x.reshape(-1, x.shape[-1]).float())
        product = torch._int_mm(rows, self.weight.t()) * (scale * self.scale)
        out = product if self.bias is None else product + self.bias
        return out.reshape(*x.shape[:-1], -1).to(x.dtype)


def to_int8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows float32 [R, N] as integers of -127 to 127 and what each row of them is multiplied by, [R, 1]."""
    scale = rows.abs().amax(-1, keepdim=True).clamp_min(SMALLEST_SCALE * LARGEST) / LARGEST
    return (rows / scale).round_().to(torch.int8), scale


def to_int8_linears(model: VallE) -> None:
    """Make the linear maps of the backbone such ones. ConfigError where that cannot be."""
    if model.device.type != "cpu":
        raise ConfigError(f"inference.weight_dtype=int8 does not run on device={model.device.type}, allowed there: cpu")
    if model.adapters:
        merging = "vall_e.export merge_loras=true makes weights of both"
        raise ConfigError(f"inference.weight_dtype=int8 does not go with loras: {merging}")
    if not swap(model.model, nn.Linear, Int8Linear):
        raise ConfigError(f"inference.weight_dtype=int8 does not go with arch_type={model.cfg.arch_type}")
