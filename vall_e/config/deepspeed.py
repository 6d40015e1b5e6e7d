"""Settings of DeepSpeed (`trainer.deepspeed`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .setting import setting

NO_POLICY = "an injection policy for this backbone, which DeepSpeed does not have"


@dataclass(kw_only=True)
class DeepSpeedConfig:
    """What differs from DeepSpeed's own defaults; `python -m vall_e.config deepspeed` shows the result."""

    zero_optimization_level: int = setting(
        0, "What ZeRO shards: 1 optimizer states, 2 gradients, 3 parameters.", at_least=0, at_most=3
    )
    use_compression_training: bool = setting(False, "Train with quantised weights and activations.")
    compression_bits: int = setting(8, "Bits of such weights and activations.", at_least=1, at_most=16)
    inferencing: bool = setting(False, "Speak through DeepSpeed's inference.", needs=NO_POLICY)
    amp: bool = setting(False, "Mixed precision by NVIDIA's Apex; `trainer.amp` is switched off.")
    loss_scale_window: int = setting(100, "Steps without overflow after which the loss scale doubles.", at_least=1)
    min_loss_scale: float = setting(8192.0, "Smallest loss scale of float16.", at_least=1)
    config_path: str | None = setting(None, "JSON file laid over the generated dictionary, key by key.")
    config: dict[str, Any] = setting({}, "Laid over the result, key by key.")
