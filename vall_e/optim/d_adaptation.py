"""Optimizers that find their step size (D-Adaptation, arXiv:2301.07733)."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

from torch.optim import Optimizer

from vall_e.errors import ConfigError, MissingExtra

from .parameter_groups import Groups

CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "adamw": ("DAdaptAdam", {"decouple": True}),
    "sgd": ("DAdaptSGD", {}),
    "adagrad": ("DAdaptAdaGrad", {}),
}
"""Its kinds of optimizers, and what makes them that."""


def build_d_adapted(name: str, groups: Groups, arguments: dict[str, Any]) -> Optimizer:
    """The kind of an optimizer that needs no learning rate; MissingExtra without the package dadaptation.

    `lr` among the arguments, 1 unless given, is a factor of the step size that it finds.
    """
    if name not in CLASSES:
        raise ConfigError(f"optimizations.dadaptation=true has no {name}, allowed: {', '.join(CLASSES)}")
    try:
        import dadaptation
    except ImportError as error:
        raise MissingExtra("dadaptation", "optimizers", "optimizations.dadaptation=true") from error
    kind, fixed = CLASSES[name]
    with redirect_stdout(io.StringIO()):  # it prints what it has been told
        optimizer: Optimizer = getattr(dadaptation, kind)(groups, **(arguments | fixed))
    return optimizer
