"""Which optimizers go with the other settings of a run."""

from __future__ import annotations

from collections.abc import Iterator

from .hyperparameters import HyperparametersConfig
from .optimizations import OptimizationsConfig
from .rank import world_size
from .trainer import Backend, TrainerConfig, WeightDtype

SWAPPABLE = ("adamw", "sgd", "adagrad")
"""Optimizers of which there is an 8-bit and a D-Adaptation kind."""

WHOLE = ("muon", "apollo", "prodigy")
"""Optimizers that have to see whole matrices, or the gradients of all parameters."""


def optimizer_problems(
    hyper: HyperparametersConfig, optimizations: OptimizationsConfig, trainer: TrainerConfig
) -> Iterator[str]:
    """Why the optimizer that is chosen cannot be had with the rest of the settings."""
    name, kind = f"hyperparameters.optimizer={hyper.optimizer.lower()}", f"optimizations.{optimizations.swapping}=true"
    if optimizations.swapping and hyper.optimizer.lower() not in SWAPPABLE:
        yield (
            f"{kind} has no {hyper.optimizer}, allowed: hyperparameters.optimizer={', '.join(SWAPPABLE)}; "
            "optimizations.optimizers=false leaves the optimizer as it is"
        )
    if hyper.schedule_free:
        yield from _schedule_free_problems(optimizations, trainer)
    whole = kind if optimizations.swapping else name if hyper.optimizer.lower() in WHOLE else None
    if trainer.fsdp and (whole or hyper.optimizer.lower() not in SWAPPABLE):
        yield f"trainer.fsdp=true does not go with {whole or name}: each rank sees but a part of the weights"
    if whole and _is_partitioned(trainer) and not (name.endswith("prodigy") and world_size() == 1):
        yield (
            f"{whole} does not go with ZeRO, which shows it flat pieces of the weights, allowed: trainer.deepspeed."
            "zero_optimization_level=0 and trainer.weight_dtype=float32, as others imply ZeRO"
        )


def _schedule_free_problems(optimizations: OptimizationsConfig, trainer: TrainerConfig) -> Iterator[str]:
    others = {
        "optimizations.bitsandbytes=true, which swaps the optimizer": optimizations.swapping == "bitsandbytes",
        f"trainer.ema_decay={trainer.ema_decay}, a second average of the weights": bool(trainer.ema_decay),
        "trainer.backend=deepspeed": trainer.backend is Backend.deepspeed,
        "trainer.fsdp=true": trainer.fsdp,
    }
    for other in (name for name, chosen in others.items() if chosen):
        yield f"hyperparameters.scheduler=schedulefree does not go with {other}"


def _is_partitioned(trainer: TrainerConfig) -> bool:
    """Whether ZeRO shows an optimizer flat pieces of the parameters; half-precision weights take its first stage."""
    half = trainer.weight_dtype is not WeightDtype.float32
    return trainer.backend is Backend.deepspeed and (half or trainer.deepspeed.zero_optimization_level > 0)
