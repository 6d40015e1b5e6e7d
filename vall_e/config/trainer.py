"""Settings of the training run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .setting import setting


class Backend(Enum):
    """What drives the optimisation."""

    local = "local"
    deepspeed = "deepspeed"


class WeightDtype(Enum):
    """Floating-point formats of the weights."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


@dataclass(kw_only=True)
class TrainerConfig:
    """Length of the run, checkpoints and precision."""

    backend: Backend = setting(Backend.local, "local: plain torch on one device.")
    iterations: int = setting(1_000_000, "Optimizer steps after which the run ends.", at_least=1)
    save_tag: str = setting("step", "Name of a checkpoint folder; step or it stand for the step number.")
    load_tag: str | None = setting(None, "Checkpoint to resume from; null takes the newest complete one.")
    save_frequency: int = setting(100, "Steps between checkpoints; 0 saves only at the end.", at_least=0)
    save_on_quit: bool = setting(True, "Write a checkpoint when the run is told to quit.")
    export_on_save: bool = setting(False, "Export the weights with every checkpoint.")
    export_on_quit: bool = setting(True, "Export the weights when the run ends or is told to quit.")
    keep_last_checkpoints: int = setting(4, "Checkpoints kept; 0 keeps all.", at_least=0)
    load_states: bool = setting(
        True, "Restore optimizer, schedule and random states with a checkpoint; false restores the weights alone."
    )
    restart_step_count: bool = setting(False, "Count steps from 0 after loading a checkpoint.")
    gradient_checkpointing: bool = setting(
        True, "Recompute activations in the backward pass: less memory, a third more work."
    )
    weight_dtype: WeightDtype = setting(
        WeightDtype.float32, "Precision of the model; under amp that of the multiplications."
    )
    amp: bool = setting(False, "Mixed precision: float32 weights, multiplications in weight_dtype.")
    tensorboard: bool = setting(True, "Write TensorBoard curves beside metrics.jsonl.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.backend is Backend.deepspeed:
            yield "backend=deepspeed is not available yet: this version has no DeepSpeed engine (allowed: local)"
        if self.amp and self.weight_dtype is WeightDtype.float32:
            yield "amp=true needs weight_dtype=float16 or weight_dtype=bfloat16"
        if not self.amp and self.weight_dtype is WeightDtype.float16:
            yield "weight_dtype=float16 without amp=true cannot be trained: gradients underflow"
