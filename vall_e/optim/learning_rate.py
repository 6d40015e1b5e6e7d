"""The learning rate of any optimizer: its peak, and what a step is made with.

Groups keep their peak under torch's own name for it, `initial_lr`. Prodigy (arXiv:2306.06101) and D-Adaptation
(arXiv:2301.07733) find their step size `d` themselves and have `lr` for a factor; the peak of Prodigy is `d_coef`.
Schedule-free optimizers (arXiv:2405.15682) warm up by themselves. Muon has rates of its own for matrices and for the
rest, whose proportion stays.
"""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

SMALLEST = 1e-12
"""Factor of an optimizer that finds its step size: without a step there is nothing to find it by."""

Group = dict[str, Any]


def peak(optimizer: Optimizer) -> float:
    """The peak learning rate in force; with Prodigy `d_coef`, with Muon the rate of the matrices."""
    group = optimizer.param_groups[0]
    return float(group.get("d_coef", _initial(group)))


def set_peak(optimizer: Optimizer, learning_rate: float) -> None:
    """Change the peak from the next step on; rates of other groups keep their proportion to the first one's."""
    proportion = learning_rate / peak(optimizer)
    for group in optimizer.param_groups:
        if "d_coef" in group:
            group["d_coef"] = learning_rate
        else:
            group["initial_lr"] = _initial(group) * proportion
            if _warms_up(group):
                group["lr"] = group["initial_lr"]


def apply_factor(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of the coming step to `factor` of the peak, unless the optimizer knows its own course."""
    for group in optimizer.param_groups:
        if not _warms_up(group):
            group["lr"] = _initial(group) * (max(factor, SMALLEST) if "d" in group else factor)


def effective(optimizer: Optimizer) -> float:
    """What the last step was made with, the step size that the optimizer has found included."""
    group = optimizer.param_groups[0]
    if _warms_up(group):
        return float(group["scheduled_lr"])
    return float(group["lr"] * group.get("d", 1.0) / group.get("g0_norm", 1.0))


def _initial(group: Group) -> float:
    group.setdefault("initial_lr", group["lr"])
    return float(group["initial_lr"])


def _warms_up(group: Group) -> bool:
    return "scheduled_lr" in group
