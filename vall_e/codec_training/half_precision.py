"""Stacks of convolutions in bfloat16 within a model in float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def in_bfloat16(module: nn.Module, device: torch.device) -> None:
    """Let a module multiply in bfloat16 while it is trained; what it returns is float32 in any case."""
    plain = module.forward

    def forward(*inputs: Tensor) -> Any:
        with torch.autocast(device.type, torch.bfloat16, enabled=module.training):
            found = plain(*inputs)
        return found.float()

    module.forward = forward
