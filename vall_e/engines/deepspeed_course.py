"""How far DeepSpeed's own schedule and loss scale have come."""

from __future__ import annotations

from typing import Any

SCALE = ("cur_scale", "cur_iter", "last_overflow_iter", "cur_hysteresis")
"""What a dynamic loss scale moves by; a static one has the first alone."""


def restore_schedule(schedule: Any, saved: dict[str, Any]) -> None:
    """Put a schedule where it was when saved; the coming step is made with the rate that it set after the last one."""
    if schedule is None or not saved:
        return
    schedule.load_state_dict(saved)
    if schedule.last_batch_iteration >= 0:
        schedule.step(schedule.last_batch_iteration)


def loss_scale(optimizer: Any) -> dict[str, float]:
    """The loss scale of an optimizer of DeepSpeed's as JSON; empty for one that has none."""
    scaler = getattr(optimizer, "loss_scaler", None)
    return {name: getattr(scaler, name) for name in SCALE if hasattr(scaler, name)}


def restore_loss_scale(optimizer: Any, saved: dict[str, float]) -> None:
    """Put back what `loss_scale` gave, if the optimizer has such a scale."""
    scaler = getattr(optimizer, "loss_scaler", None)
    for name, value in saved.items():
        if hasattr(scaler, name):
            setattr(scaler, name, value)
