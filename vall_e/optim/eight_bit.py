"""Optimizers of bitsandbytes, whose state takes 8 bits a value (arXiv:2110.02861)."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from vall_e.errors import ConfigError, MissingExtra

from .parameter_groups import Groups

CLASSES = {"adamw": "AdamW8bit", "sgd": "SGD8bit", "adagrad": "Adagrad8bit"}


def build_eight_bit(name: str, groups: Groups, arguments: dict[str, Any]) -> Optimizer:
    """The 8-bit kind of an optimizer; MissingExtra without bitsandbytes.

    Tensors of fewer than 4096 values (`min_8bit_size`) keep 32 bits. SGD has to have momentum, its only state.
    """
    if name not in CLASSES:
        raise ConfigError(
            f"optimizations.bitsandbytes=true has no 8-bit {name}, allowed: {', '.join(CLASSES)}; "
            "optimizations.optimizers=false leaves the optimizer as it is"
        )
    try:
        import bitsandbytes
    except ImportError as error:
        raise MissingExtra("bitsandbytes", "bitsandbytes", "optimizations.bitsandbytes=true") from error
    optimizer: Optimizer = getattr(bitsandbytes.optim, CLASSES[name])(groups, **arguments)
    return optimizer
