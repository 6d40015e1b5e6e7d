"""The end of an optimizer step, whatever is trained: clip, go down, average."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from vall_e.errors import VallEError

from .gradient_buffer import GradientBuffer

log = logging.getLogger(__name__)

NONFINITE_LIMIT = 50
"""Steps with a non-finite gradient in a row after which the run stops."""


def descend(
    optimizer: Optimizer, gradients: GradientBuffer, clipping: float, scaler: GradScaler | None = None
) -> float:
    """Clip the gradients to a norm of `clipping` (0: do not) and step; returns the norm before.

    A step whose gradient is not finite is left out.
    """
    if scaler is not None:
        scaler.unscale_(optimizer)
    norm = float(torch.nn.utils.clip_grad_norm_(gradients.parameters, clipping or float("inf")))
    if np.isfinite(norm):
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
    if scaler is not None:
        scaler.update()
    return norm


def nonfinite_in_a_row(before: int, grad_norm: float, step: int) -> int:
    """How many steps in a row had a non-finite gradient, that of number `step` included; VallEError at the limit."""
    if np.isfinite(grad_norm):
        return 0
    log.warning("Step %d has a gradient of norm %s and is skipped", step, grad_norm)
    if before + 1 >= NONFINITE_LIMIT:
        raise VallEError(f"{NONFINITE_LIMIT} steps in a row had a non-finite gradient: lower the learning rate")
    return before + 1
