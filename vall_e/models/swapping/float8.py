"""Linear layers that multiply in 8-bit floating point, through torchao."""

from __future__ import annotations

import torch
from torch import nn

from vall_e.errors import ConfigError, MissingExtra

CAPABILITY = (8, 9)
"""Of the first GPUs that multiply in 8-bit floating point: Ada, then Hopper."""


def require_float8(device: torch.device) -> None:
    """ConfigError if `device` cannot multiply in 8-bit floating point."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < CAPABILITY:
        raise ConfigError(
            f"optimizations.fp8=true needs a GPU that has 8-bit floating point (compute capability 8.9), not {device}"
        )


def to_float8(linear: nn.Linear, *, emulate: bool = False) -> nn.Module:
    """The layer with a scale for each tensor, found anew at each step (arXiv:2209.05433).

    `emulate` computes the same on a device without. MissingExtra without torchao.
    """
    try:
        from torchao.float8 import Float8LinearConfig, convert_to_float8_training
    except ImportError as error:
        raise MissingExtra("torchao", "fp8", "optimizations.fp8=true") from error
    config = Float8LinearConfig(emulate=emulate, pad_inner_dim=True)
    converted: nn.Module = convert_to_float8_training(nn.Sequential(linear), config=config)[0]
    return converted
