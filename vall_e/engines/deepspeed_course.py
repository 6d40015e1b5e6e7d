"""Steps of DeepSpeed's, and how far its own schedule and loss scale have come."""

from __future__ import annotations

from typing import Any

from vall_e.errors import VallEError

SCALE = ("cur_scale", "cur_iter", "last_overflow_iter", "cur_hysteresis")
"""What a dynamic loss scale moves by; a static one has the first alone."""


def step(deepspeed: Any, min_loss_scale: float) -> None:
    """A step of DeepSpeed's engine; VallEError if float16 overflows at the smallest loss scale."""
    try:
        deepspeed.step()
    except Exception as error:  # it has no class of its own for this
        if "loss scale already at minimum" not in str(error):
            raise
        raise VallEError(
            "gradients overflow float16 at the smallest loss scale, "
            f"trainer.deepspeed.min_loss_scale={min_loss_scale:g}: lower it or hyperparameters.learning_rate"
        ) from error


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
