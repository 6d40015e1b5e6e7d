"""Optimizers by name, with weight decay where it belongs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.nearest import hint
from vall_e.errors import ConfigError

WEIGHT_DECAY = 0.01


def build_optimizer(model: nn.Module, cfg: HyperparametersConfig, frozen: list[str]) -> Optimizer:
    """The optimizer that `cfg` names over all parameters but the frozen ones, which stop requiring gradients."""
    freeze(model, frozen)
    groups = parameter_groups(model, cfg.optimizer_params.get("weight_decay", WEIGHT_DECAY))
    arguments: dict[str, Any] = {k: v for k, v in cfg.optimizer_params.items() if k != "weight_decay"}
    try:
        return _build(cfg.optimizer.lower(), groups, cfg.learning_rate, arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"hyperparameters.optimizer_params does not fit {cfg.optimizer}: {error}") from error


def _build(name: str, groups: list[dict[str, Any]], learning_rate: float, arguments: dict[str, Any]) -> Optimizer:
    if name == "prodigy":
        from prodigyopt import Prodigy

        prodigy: Optimizer = Prodigy(groups, **({"lr": 1.0, "d_coef": learning_rate} | arguments))
        return prodigy
    if name == "sgd":
        return torch.optim.SGD(groups, **({"lr": learning_rate} | arguments))
    if name == "adagrad":
        return torch.optim.Adagrad(groups, **({"lr": learning_rate} | arguments))
    adamw: dict[str, Any] = {"lr": learning_rate, "betas": (0.9, 0.96), "eps": 1e-7, "fused": True}
    return torch.optim.AdamW(groups, **(adamw | arguments))


def freeze(model: nn.Module, names: list[str]) -> None:
    """Stop training the parameters called `names`; ConfigError for a name the model does not have."""
    parameters = dict(model.named_parameters())
    for name in names:
        if name not in parameters:
            raise ConfigError(f"model.frozen_params: the model has no parameter {name!r}{hint(name, parameters)}")
        parameters[name].requires_grad_(False)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices of linear maps decay; embeddings, norms, biases and single vectors do not."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim >= 2 and id(p) not in embeddings]
    others = [p for p in trained if p.ndim < 2 or id(p) in embeddings]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
