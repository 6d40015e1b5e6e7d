"""What DeepSpeed is told beside the generated dictionary, so that it trains as the local engine does."""

from __future__ import annotations

from typing import Any

from vall_e.config.deepspeed_dict import deepspeed_dict
from vall_e.config.schema import Config

OWN = {
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "lamb": "Lamb",
    "lion": "Lion",
    "onebitadam": "OneBitAdam",
    "zerooneadam": "ZeroOneAdam",
    "onebitlamb": "OneBitLamb",
}
"""Optimizers that DeepSpeed builds itself, as it spells them."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "adamw": {"betas": [0.9, 0.96], "eps": 1e-7, "weight_decay": 0.01},
    "adam": {"betas": [0.9, 0.96], "eps": 1e-7},
}
"""Arguments that the local engine gives an optimizer, too."""

TAKES = {
    "WarmupLR": ("warmup_num_steps",),
    "WarmupDecayLR": ("warmup_num_steps", "total_num_steps"),
    "WarmupCosineLR": ("warmup_num_steps", "total_num_steps", "cos_min_ratio"),
    "OneCycle": (),
    "LRRangeTest": (),
}
"""Schedules of DeepSpeed, and which of the generated arguments each takes."""


def engine_settings(cfg: Config, ranks: int) -> dict[str, Any]:
    """The dictionary for `deepspeed.initialize`."""
    made = deepspeed_dict(cfg, ranks)
    if not made.get("amp", {}).get("enabled"):
        made.pop("amp", None)  # versions that have dropped Apex refuse the bare word
    if "optimizer" in made:
        made["optimizer"] = _optimizer(made["optimizer"])
    if "scheduler" in made:
        made["scheduler"] = _scheduler(made["scheduler"], cfg)
    return _zero(made) | {"zero_allow_untested_optimizer": True, "zero_force_ds_cpu_optimizer": False}


def builds_optimizer(cfg: Config) -> bool:
    """Whether DeepSpeed builds the optimizer: one that it lacks is ours, as with `torch_optimizer`."""
    hyper = cfg.hyperparameters
    return not hyper.torch_optimizer and not cfg.optimizations.swapping and hyper.optimizer.lower() in OWN


def _optimizer(told: dict[str, Any]) -> dict[str, Any]:
    name = told["type"].lower()
    return {"type": OWN.get(name, told["type"]), "params": DEFAULTS.get(name, {}) | told["params"]}


def _scheduler(told: dict[str, Any], cfg: Config) -> dict[str, Any]:
    """Its schedules know the peak from elsewhere than the optimizer, and rise by a logarithm unless told."""
    name = next(name for name in TAKES if name.lower() == told["type"].lower())
    generated = ("warmup_num_steps", "total_num_steps", "cos_min_ratio")
    params = {k: v for k, v in told["params"].items() if k in TAKES[name] or k not in generated}
    if name.startswith("Warmup"):
        params = {"warmup_type": "linear"} | params
        params["warmup_num_steps"] = max(2, params["warmup_num_steps"])  # it takes no fewer
    if name in ("WarmupLR", "WarmupDecayLR"):
        params = {"warmup_max_lr": cfg.hyperparameters.learning_rate} | params
    return {"type": name, "params": params}


def _zero(made: dict[str, Any]) -> dict[str, Any]:
    """Half-precision weights keep their float32 originals in ZeRO's first stage at least; offloading as it allows."""
    half = made.get("bf16", {}).get("enabled") or made.get("fp16", {}).get("enabled")
    zero = dict(made.get("zero_optimization", {"stage": 1} if half else {}))
    if "bf16" in made:
        made["bf16"] = {"check_grad_overflow": True} | made["bf16"]  # else a gradient that is not finite is applied
    if zero.get("stage", 0) < 3:
        # In turns, parameters would lie elsewhere in the partitions than DeepSpeed itself says they do.
        zero.pop("round_robin_gradients", None)
        for name in ("offload_param", "zero_hpz_partition_size", "zero_quantized_weights", "zero_quantized_gradients"):
            zero.pop(name, None)
    return made | ({"zero_optimization": zero} if zero else {})
