"""Settings of the optimisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .setting import setting

DEEPSPEED_OPTIMIZERS = ("adam", "lamb", "lion", "onebitadam", "zerooneadam", "onebitlamb")
OPTIMIZERS = ("adamw", "sgd", "prodigy", "adagrad", "muon", "apollo", *DEEPSPEED_OPTIMIZERS)
SCHEDULERS = ("", "WarmupLR", "WarmupDecayLR", "WarmupCosineLR", "OneCycle", "LRRangeTest", "schedulefree")
SCHEDULE_FREE = ("adamw", "sgd")
"""Optimizers of which there is a schedule-free kind."""
DEEPSPEED_SCHEDULERS = ("onecycle", "lrrangetest")
SCHEDULER_PARAMS = ("total_num_steps", "cos_min_ratio")
NO_AUTOTUNER = (
    "scripts that are started with DeepSpeed's JSON file, which this one is not: "
    "sweep over hyperparameters.batch_size instead, python -m vall_e.train -m hyperparameters.batch_size=8,16,32"
)
DISTILLATION_LOSSES = ("kl", "mse")
TEACHING = ("teacher_alpha", "teacher_temperature", "teacher_loss_fn")


@dataclass(kw_only=True)
class HyperparametersConfig:
    """Batch, optimizer and learning-rate schedule."""

    batch_size: int = setting(
        8, "Samples of a micro-batch; an upper bound when batches are measured in seconds.", at_least=1
    )
    gradient_accumulation_steps: int = setting(1, "Micro-batches of one optimizer step.", at_least=1)
    gradient_clipping: float = setting(1.0, "Largest gradient norm; 0 does not clip.", at_least=0)
    optimizer: str = setting("adamw", "Optimizer, in any case.", allowed=OPTIMIZERS)
    optimizer_params: dict[str, Any] = setting(
        {}, "Arguments laid over the optimizer's own defaults; with Muon `adamw` holds those of AdamW."
    )
    learning_rate: float = setting(
        3.25e-4, "Peak learning rate; with Prodigy the factor d_coef, with Muon that of matrices.", above=0
    )
    warmup_steps: int = setting(0, "Steps over which the learning rate rises from 0.", at_least=0)
    scheduler: str = setting(
        "",
        "Course after the warm-up: '' and WarmupLR stay, WarmupDecayLR falls linearly, WarmupCosineLR as a cosine; "
        "schedulefree takes the kind of the optimizer that needs none.",
        allowed=SCHEDULERS,
    )
    scheduler_type: str = setting("", "Old name of `scheduler`.", allowed=SCHEDULERS)
    scheduler_params: dict[str, float] = setting(
        {}, "total_num_steps (default trainer.iterations) and cos_min_ratio (default 0)."
    )
    autotune: bool = setting(False, "Let DeepSpeed search for fast settings.", needs=NO_AUTOTUNER)
    autotune_params: dict[str, Any] = setting({}, "Arguments of that search.", needs=NO_AUTOTUNER)
    torch_optimizer: bool = setting(False, "Under DeepSpeed: the optimizer is torch's, not DeepSpeed's.")
    torch_scheduler: bool = setting(False, "Under DeepSpeed: the schedule is ours, not DeepSpeed's.")
    teacher_alpha: float = setting(0.5, "Share of the teacher in the loss.", at_least=0, at_most=1)
    teacher_temperature: float = setting(1.0, "Temperature of the logits that are compared.", above=0)
    teacher_loss_fn: str = setting(
        "mse", "How they are compared: as probabilities (kl) or as they are (mse).", allowed=DISTILLATION_LOSSES
    )

    @property
    def schedule_free(self) -> bool:
        """Whether the optimizer needs no schedule, and averages the weights instead."""
        return self.scheduler.lower() == "schedulefree"

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.schedule_free and self.optimizer.lower() not in SCHEDULE_FREE:
            yield f"scheduler=schedulefree has no {self.optimizer}, allowed: optimizer={' or '.join(SCHEDULE_FREE)}"
        for key in self.scheduler_params:
            if key not in SCHEDULER_PARAMS and self.scheduler.lower() not in DEEPSPEED_SCHEDULERS:
                yield f"scheduler_params.{key}: no such setting, allowed: {', '.join(SCHEDULER_PARAMS)}"
        if self.scheduler and self.scheduler_type and self.scheduler_type != self.scheduler:
            yield f"scheduler_type={self.scheduler_type} contradicts scheduler={self.scheduler}: drop the old name"
