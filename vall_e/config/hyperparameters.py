"""Settings of the optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .setting import setting

OPTIMIZERS = ("adamw", "prodigy", "sgd", "adagrad")
SCHEDULERS = ("", "WarmupLR", "WarmupDecayLR", "WarmupCosineLR")


@dataclass(kw_only=True)
class HyperparametersConfig:
    """Batch, optimizer and learning-rate schedule."""

    batch_size: int = setting(
        8, "Samples of a micro-batch; an upper bound when batches are measured in seconds.", at_least=1
    )
    gradient_accumulation_steps: int = setting(1, "Micro-batches of one optimizer step.", at_least=1)
    gradient_clipping: float = setting(1.0, "Largest gradient norm; 0 does not clip.", at_least=0)
    optimizer: str = setting("adamw", "Optimizer, in any case.", allowed=OPTIMIZERS)
    optimizer_params: dict[str, Any] = setting({}, "Arguments laid over the optimizer's own defaults.")
    learning_rate: float = setting(3.25e-4, "Peak learning rate; with Prodigy the factor d_coef.", above=0)
    warmup_steps: int = setting(0, "Steps over which the learning rate rises from 0.", at_least=0)
    scheduler: str = setting(
        "",
        "Course after the warm-up: '' and WarmupLR stay, WarmupDecayLR falls linearly, WarmupCosineLR as a cosine.",
        allowed=SCHEDULERS,
    )
    scheduler_params: dict[str, float] = setting(
        {}, "total_num_steps (default trainer.iterations) and cos_min_ratio (default 0)."
    )

    def problems(self) -> Any:
        """Relations between settings that do not hold."""
        for key in self.scheduler_params:
            if key not in ("total_num_steps", "cos_min_ratio"):
                yield f"scheduler_params.{key}: no such setting, allowed: total_num_steps, cos_min_ratio"
