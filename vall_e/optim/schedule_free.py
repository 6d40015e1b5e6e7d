"""Schedule-free optimizers (arXiv:2405.15682): trained at one point, evaluated at an average that they keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import Optimizer

from vall_e.errors import ConfigError, MissingExtra

from .parameter_groups import Groups

CLASSES = {"adamw": "AdamWScheduleFree", "sgd": "SGDScheduleFree"}
TRAINS = "train_mode"
"""Key of their groups that tells whether the weights are those trained, or the average."""


def build_schedule_free(name: str, groups: Groups, arguments: dict[str, Any]) -> Optimizer:
    """The schedule-free kind of an optimizer, ready to train; MissingExtra without the package schedulefree."""
    if name not in CLASSES:
        raise ConfigError(f"hyperparameters.scheduler=schedulefree has no {name}, allowed: {', '.join(CLASSES)}")
    try:
        import schedulefree
    except ImportError as error:
        raise MissingExtra("schedulefree", "optimizers", "hyperparameters.scheduler=schedulefree") from error
    optimizer: Any = getattr(schedulefree, CLASSES[name])(groups, **arguments)
    optimizer.train()
    made: Optimizer = optimizer
    return made


def keeps_average(optimizer: Optimizer) -> bool:
    """Whether an optimizer is schedule-free, and its weights those trained, not the average."""
    return any(group.get(TRAINS) for group in optimizer.param_groups)


@contextmanager
def averaged(optimizer: Any) -> Iterator[None]:
    """Inside the block the parameters of a schedule-free optimizer are the average; of any other they stay.

    They return exactly, which the optimizer's own way back, a sum, would not grant.
    """
    groups = optimizer.param_groups
    if not keeps_average(optimizer):
        yield
        return
    kept = [(parameter, parameter.detach().clone()) for group in groups for parameter in group["params"]]
    optimizer.eval()
    try:
        yield
    finally:
        _return(kept)
        for group in groups:
            group[TRAINS] = True


@torch.no_grad()
def _return(kept: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for parameter, value in kept:
        parameter.copy_(value)
