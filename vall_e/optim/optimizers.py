"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.optimizations import OptimizationsConfig
from vall_e.errors import ConfigError

from .apollo import build_apollo
from .d_adaptation import build_d_adapted
from .eight_bit import build_eight_bit
from .muon import build_muon
from .parameter_groups import WEIGHT_DECAY, Groups, freeze, hidden_and_other_groups, parameter_groups
from .schedule_free import build_schedule_free

ADAMW: dict[str, Any] = {"betas": (0.9, 0.96), "eps": 1e-7}
"""Defaults of every kind of AdamW."""

Plain = Callable[[Groups, float, dict[str, Any]], Optimizer]
"""Makes an optimizer of parameter groups, a learning rate and arguments laid over the defaults."""


def build_optimizer(
    model: nn.Module, cfg: HyperparametersConfig, frozen: list[str], optimizations: OptimizationsConfig | None = None
) -> Optimizer:
    """The optimizer that the settings name over all parameters but the frozen ones, which stop requiring gradients.

    ConfigError if it does not take `optimizer_params` or cannot be had here, MissingExtra if its package is missing.
    """
    freeze(model, frozen)
    arguments = dict(cfg.optimizer_params)
    weight_decay = arguments.pop("weight_decay", WEIGHT_DECAY)
    try:
        return _build(model, cfg, weight_decay, arguments, optimizations or OptimizationsConfig())
    except (TypeError, ValueError, NotImplementedError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"hyperparameters.optimizer_params does not fit {cfg.optimizer}: {error}") from error


def _build(
    model: nn.Module,
    cfg: HyperparametersConfig,
    weight_decay: float,
    arguments: dict[str, Any],
    optimizations: OptimizationsConfig,
) -> Optimizer:
    name, rate = cfg.optimizer.lower(), cfg.learning_rate
    if name in ("muon", "apollo"):
        hidden, others = hidden_and_other_groups(model, weight_decay)
        build = build_muon if name == "muon" else build_apollo
        return build(hidden, others, rate, arguments, ADAMW)
    groups = parameter_groups(model, weight_decay)
    if name == "adamw":
        arguments = ADAMW | arguments
    if cfg.schedule_free:
        return build_schedule_free(name, groups, {"lr": rate, "warmup_steps": cfg.warmup_steps} | arguments)
    if optimizations.swapping == "bitsandbytes":
        return build_eight_bit(name, groups, {"lr": rate} | arguments)
    if optimizations.swapping == "dadaptation":
        return build_d_adapted(name, groups, arguments)
    if name not in PLAIN:
        raise ConfigError(f"hyperparameters.optimizer={name} is DeepSpeed's own: hyperparameters.torch_optimizer=false")
    return PLAIN[name](groups, rate, arguments)


def _adamw(groups: Groups, learning_rate: float, arguments: dict[str, Any]) -> Optimizer:
    return torch.optim.AdamW(groups, **({"lr": learning_rate, "fused": True} | arguments))


def _sgd(groups: Groups, learning_rate: float, arguments: dict[str, Any]) -> Optimizer:
    return torch.optim.SGD(groups, **({"lr": learning_rate} | arguments))


def _adagrad(groups: Groups, learning_rate: float, arguments: dict[str, Any]) -> Optimizer:
    return torch.optim.Adagrad(groups, **({"lr": learning_rate} | arguments))


def _prodigy(groups: Groups, learning_rate: float, arguments: dict[str, Any]) -> Optimizer:
    from prodigyopt import Prodigy

    prodigy: Optimizer = Prodigy(groups, **({"lr": 1.0, "d_coef": learning_rate} | arguments))
    return prodigy


PLAIN: dict[str, Plain] = {"adamw": _adamw, "sgd": _sgd, "adagrad": _adagrad, "prodigy": _prodigy}
