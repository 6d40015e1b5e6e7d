"""The dictionary that DeepSpeed is configured with, generated from the settings of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vall_e.errors import ConfigError

from .composing import compose_config
from .rank import world_size
from .schema import Config
from .seal import seal
from .trainer import Backend, WeightDtype

BUCKET = 500_000_000
"""Elements of a tensor that ZeRO reduces, gathers or steps at once."""
COMPRESSED = ["self_attn", "mlp"]
"""Parts of module names that are compressed."""


def composed_deepspeed_dict(overrides: Sequence[str]) -> dict[str, Any]:
    """The dictionary of `python -m vall_e.train` with `overrides`, on as many ranks as this launch has.

    ConfigError for wrong settings and for another backend than DeepSpeed.
    """
    config = seal(compose_config("train", overrides), Config, may_lack_components=True)
    if config.trainer.backend is not Backend.deepspeed:
        raise ConfigError(f"trainer.backend={config.trainer.backend.name} uses no DeepSpeed: add trainer=deepspeed")
    return deepspeed_dict(config, world_size())


def deepspeed_dict(config: Config, world_size: int) -> dict[str, Any]:
    """The generated dictionary without empty values; the JSON file `config_path` and then `config` laid over it.

    Both are laid over key by key, not deeply. ConfigError if the file cannot be read.
    """
    kept = {key: value for key, value in _generated(config, world_size).items() if value}
    return kept | _from_file(config.trainer.deepspeed.config_path) | config.trainer.deepspeed.config


def _generated(config: Config, world_size: int) -> dict[str, Any]:
    hyper, deepspeed = config.hyperparameters, config.trainer.deepspeed
    return {
        "train_micro_batch_size_per_gpu": hyper.batch_size,
        "gradient_accumulation_steps": hyper.gradient_accumulation_steps,
        "optimizer": None if hyper.torch_optimizer else _optimizer(config),
        "scheduler": None if hyper.torch_scheduler else _scheduler(config),
        "gradient_clipping": hyper.gradient_clipping,
        "fp16": _float16(config),
        "bf16": {"enabled": config.trainer.weight_dtype is WeightDtype.bfloat16},
        "amp": {"enabled": deepspeed.amp},
        "autotuning": _autotuning(config) if hyper.autotune else None,
        "compression_training": _compression(config) if deepspeed.use_compression_training else None,
        "zero_optimization": _zero(config, world_size) if deepspeed.zero_optimization_level else None,
        "comms_logger": {"enabled": False},
    }


def _optimizer(config: Config) -> dict[str, Any]:
    hyper = config.hyperparameters
    return {"type": hyper.optimizer, "params": {"lr": hyper.learning_rate} | hyper.optimizer_params}


def _scheduler(config: Config) -> dict[str, Any]:
    hyper = config.hyperparameters
    steps = {"warmup_num_steps": hyper.warmup_steps, "total_num_steps": config.trainer.iterations}
    return {"type": hyper.scheduler, "params": steps | hyper.scheduler_params}


def _float16(config: Config) -> dict[str, Any]:
    enabled = config.trainer.weight_dtype is WeightDtype.float16
    return {
        "enabled": enabled,
        "auto_cast": True,
        "loss_scale_window": config.trainer.deepspeed.loss_scale_window,
        "min_loss_scale": config.trainer.deepspeed.min_loss_scale,
        "loss_scale": 0.0 if enabled else 1.0,  # 0 lets DeepSpeed find the scale
    }


def _autotuning(config: Config) -> dict[str, Any]:
    folders = {"results_dir": "autotune/results", "exps_dir": "autotune/exps_"}
    return folders | config.hyperparameters.autotune_params | {"enabled": True}


def _compression(config: Config) -> dict[str, Any]:
    bits = config.trainer.deepspeed.compression_bits
    shared = {
        "enabled": True,
        "quantizer_kernel": True,
        "schedule_offset": 0,
        "quantize_groups": 64,
        "quantize_verbose": True,
        "quantization_type": "symmetric",
        "rounding": "nearest",
        "quantize_weight_in_forward": config.trainer.weight_dtype is not WeightDtype.float16,
        "fp16_mixed_quantize": {"enabled": False, "quantize_change_ratio": 1},
    }
    weights = {"start_bits": bits, "target_bits": bits, "quantization_period": 0}
    return {
        "weight_quantization": {
            "shared_parameters": shared,
            "different_groups": {"wq1": {"params": weights, "modules": COMPRESSED}},
        },
        "activation_quantization": {
            "shared_parameters": shared,
            "different_groups": {"aq1": {"params": {"bits": bits}, "modules": COMPRESSED}},
        },
    }


def _zero(config: Config, world_size: int) -> dict[str, Any]:
    quantized = config.trainer.deepspeed.use_compression_training
    return {
        "stage": config.trainer.deepspeed.zero_optimization_level,
        "contiguous_gradients": True,
        "overlap_comm": True,
        "reduce_scatter": True,
        "reduce_bucket_size": BUCKET,
        "allgather_bucket_size": BUCKET,
        "sub_group_size": BUCKET,
        "round_robin_gradients": True,
        "offload_optimizer": {"device": "cpu", "pin_memory": True},
        "offload_param": {"device": "cpu", "pin_memory": True},
        "zero_quantized_weights": quantized,
        "zero_quantized_gradients": quantized,
        "zero_hpz_partition_size": world_size,
    }


def _from_file(path: str | None) -> dict[str, Any]:
    """The content of `trainer.deepspeed.config_path`; nothing without one."""
    if path is None:
        return {}
    here = f"trainer.deepspeed.config_path={path}"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{here} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{here} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{here} holds no JSON object, expected {{key: value}}")
    return content
