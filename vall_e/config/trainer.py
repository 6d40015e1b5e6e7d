"""Settings of the training run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .deepspeed import DeepSpeedConfig
from .setting import setting


class Backend(Enum):
    """What drives the optimisation."""

    local = "local"
    deepspeed = "deepspeed"


class WeightDtype(Enum):
    """Number formats of the weights."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    float8_e5m2 = "float8_e5m2"
    float8_e4m3fn = "float8_e4m3fn"
    int8 = "int8"


FLOAT8_NEEDS = dict.fromkeys(("float8_e5m2", "float8_e4m3fn"), "8-bit floating-point layers")


class CollectGarbage(Enum):
    """When Python's garbage is collected."""

    step = "step"
    substep = "substep"


@dataclass(kw_only=True)
class TrainerConfig:
    """Length of the run, checkpoints and precision."""

    backend: Backend = setting(Backend.local, "local: plain torch; deepspeed: its engine.")
    iterations: int = setting(1_000_000, "Optimizer steps after which the run ends.", at_least=1)
    save_tag: str = setting("step", "Name of a checkpoint folder; step or it stand for the step number.")
    load_tag: str | None = setting(None, "Checkpoint to resume from; null takes the newest complete one.")
    save_frequency: int = setting(100, "Steps between checkpoints; 0 takes evaluation.frequency.", at_least=0)
    save_on_quit: bool = setting(True, "Write a checkpoint when the run is told to quit.")
    save_on_oom: bool = setting(True, "Write a checkpoint when not even single samples fit into memory.")
    check_for_oom: bool = setting(
        True, "When memory runs out, make the step again in smaller pieces; false shows torch's own error."
    )
    export_on_save: bool = setting(False, "Export the weights with every checkpoint.")
    export_on_quit: bool = setting(True, "Export the weights when the run ends or is told to quit.")
    keep_last_checkpoints: int = setting(4, "Checkpoints kept; 0 keeps all.", at_least=0)
    load_state_dict: bool = setting(False, "Begin with the exported weights of the run, not with its checkpoint.")
    load_states: bool = setting(
        True, "Restore optimizer, schedule and random states with a checkpoint; false restores weights and counters."
    )
    load_module_only: bool = setting(False, "Restore the weights of a checkpoint and nothing else.")
    strict_loading: bool = setting(True, "Refuse weights that lack a tensor of the model or hold a foreign one.")
    resize_modules: bool = setting(False, "Cut or extend embeddings and heads of other sizes when weights are loaded.")
    restart_step_count: bool = setting(False, "Count steps from 0 after loading a checkpoint.")
    gradient_checkpointing: bool = setting(
        True, "Recompute activations in the backward pass: less memory, a third more work."
    )
    checkpoint_every: int = setting(
        1, "Of gradient checkpointing: 1 recomputes every layer, 2 every second one, ...", at_least=1
    )
    activation_checkpointing: bool | None = setting(None, "Old name of `gradient_checkpointing`.")
    weight_dtype: WeightDtype = setting(
        WeightDtype.float32,
        "Precision of the model; under amp that of the multiplications.",
        options_need=FLOAT8_NEEDS,
    )
    amp: bool = setting(False, "Mixed precision: float32 weights, multiplications in weight_dtype.")
    ddp: bool = setting(False, "A copy of the model on every rank, gradients averaged; follows from the launch.")
    fsdp: bool = setting(False, "Weights, gradients and optimizer states spread over ranks (FSDP), in place of copies.")
    ema_decay: float = setting(
        0.0,
        "Decay of a moving average of the weights, which is evaluated and exported in their place; 0 keeps none.",
        at_least=0,
        below=1,
    )
    gc_mode: CollectGarbage | None = setting(
        None, "Collect Python's garbage before every step, or before every micro-batch (substep)."
    )
    tensorboard: bool = setting(True, "Write TensorBoard curves beside metrics.jsonl.")
    wandb: bool = setting(False, "Log to Weights & Biases, too, with the extra wandb.")
    load_webui: bool = setting(False, "Open the web page beside the run.", needs="the web page")
    deepspeed: DeepSpeedConfig = setting(DeepSpeedConfig, "DeepSpeed.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.amp and self.weight_dtype not in (WeightDtype.float16, WeightDtype.bfloat16):
            yield "amp=true needs weight_dtype=float16 or weight_dtype=bfloat16"
        if self.weight_dtype is WeightDtype.int8:
            yield "weight_dtype=int8 cannot be trained, allowed: float32, float16, bfloat16"
        if self.backend is Backend.local and self.weight_dtype is WeightDtype.float16 and not self.amp:
            yield "weight_dtype=float16 without amp=true cannot be trained: gradients underflow"
        if self.save_tag in ("", "latest") or self.save_tag.startswith(".") or "/" in self.save_tag:
            yield f"save_tag={self.save_tag} is no name of a checkpoint folder, allowed: step, it or a name of your own"
        if self.checkpoint_every > 1 and not self.gradient_checkpointing:
            yield f"checkpoint_every={self.checkpoint_every} needs gradient_checkpointing=true"
        if self.load_state_dict and self.load_tag is not None:
            yield f"load_tag={self.load_tag} names a checkpoint, but load_state_dict=true asks for none"
