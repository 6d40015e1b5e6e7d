"""APOLLO: AdamW whose moments of a matrix are those of a random low-rank projection of its gradient.

From it each channel of the gradient gets the factor by which AdamW would rescale it (arXiv:2412.05270, algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from .parameter_groups import Groups

RANK = 256
REFRESHED = 200
"""Steps after which the projection is drawn anew."""
GROWTH = 1.01
"""Of the norm of a rescaled gradient from step to step, at most (Fira, arXiv:2410.01623)."""
TINY = 1e-8

Group = dict[str, Any]


class Apollo(Optimizer):
    """Groups with a `rank` are rescaled through a projection of that rank, the others are AdamW's.

    The projection follows from the number of the parameter and the step, so that nothing of it has to be kept.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; `closure` computes the loss anew."""
        loss = None if closure is None else closure()
        number = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                number += 1
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group, number)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: Group, number: int) -> None:
        state, rank = self.state[parameter], group["rank"]
        state["step"] = state.get("step", 0) + 1
        if rank:
            wide = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.T
            seed = number << 32 | (state["step"] - 1) // group["refreshed"]
            projected = project(wide, min(rank, len(wide)), seed)
            factors = _norms(direction(projected, state, group), group) / (_norms(projected, group) + TINY)
            rescaled = limited(wide * factors * group["scale"], state)
            change = rescaled if wide is gradient else rescaled.T
        else:
            change = direction(gradient, state, group)
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(change, alpha=-group["lr"])


def project(gradient: Tensor, rank: int, seed: int) -> Tensor:
    """P G with entries of P from N(0, 1 / rank): [m, n] -> [rank, n]."""
    generator = torch.Generator(gradient.device).manual_seed(seed)
    drawn = torch.randn(rank, len(gradient), generator=generator, device=gradient.device)
    return drawn.to(gradient.dtype) @ gradient / math.sqrt(rank)


def direction(gradient: Tensor, state: dict[str, Any], group: Group) -> Tensor:
    """What Adam would subtract at a learning rate of 1, after taking a gradient into its moments."""
    beta1, beta2 = group["betas"]
    for key in ("exp_avg", "exp_avg_sq"):
        state.setdefault(key, torch.zeros_like(gradient))
    mean = state["exp_avg"].lerp_(gradient, 1 - beta1) / (1 - beta1 ** state["step"])
    square = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    scaled: Tensor = mean / ((square / (1 - beta2 ** state["step"])).sqrt() + group["eps"])
    return scaled


def limited(rescaled: Tensor, state: dict[str, Any]) -> Tensor:
    """A gradient whose norm grows by no more than GROWTH over that of the step before, unless that was 0."""
    norm = rescaled.norm()
    before = state.get("norm", torch.zeros_like(norm))
    shrink = torch.where(before > 0, (GROWTH * before / (norm + TINY)).clamp(max=1.0), torch.ones_like(norm))
    state["norm"] = norm * shrink
    kept: Tensor = rescaled * shrink
    return kept


def _norms(matrix: Tensor, group: Group) -> Tensor:
    """Of each channel [n], or with `by` = tensor of all of it."""
    norms: Tensor = matrix.norm(dim=0) if group["by"] == "channel" else matrix.norm()
    return norms


def build_apollo(
    hidden: Groups, others: Groups, learning_rate: float, arguments: dict[str, Any], defaults: dict[str, Any]
) -> Optimizer:
    """The matrices of the backbone by APOLLO, the rest by AdamW.

    Arguments: those of AdamW, `rank`, `refreshed`, `scale` of the rescaled gradient, and `by`: channel or tensor.
    """
    own: dict[str, Any] = {"rank": RANK, "refreshed": REFRESHED, "scale": 1.0, "by": "channel"}
    settings = {"lr": learning_rate, **own} | defaults | arguments
    if unknown := settings.keys() - {"lr", "betas", "eps", *own}:
        raise ValueError(f"it takes no {', '.join(sorted(unknown))}")
    if settings["by"] not in ("channel", "tensor") or min(settings["rank"], settings["refreshed"]) < 1:
        raise ValueError("by is channel or tensor, rank and refreshed are at least 1")
    return Apollo([*hidden, *({**group, "rank": 0} for group in others)], settings)
