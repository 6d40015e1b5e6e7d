"""Every kind of optimizer with settings that teach a tiny model something in 20 steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from tests.models.tiny import speech, tiny_config
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.optimizations import OptimizationsConfig
from vall_e.models.vall_e import VallE
from vall_e.optim.optimizers import build_optimizer

SAMPLES = [speech(0), speech(3, 1), speech(1, 2)]


@dataclass(frozen=True)
class Kind:
    """Settings of an optimizer; `package` it comes from, `swap` the setting that makes it of another kind."""

    optimizer: str
    learning_rate: float
    package: str = "torch"
    scheduler: str = ""
    swap: str | None = None
    params: dict[str, Any] = field(default_factory=dict)

    def built(self, model: VallE, **params: Any) -> Optimizer:
        """The optimizer over all parameters of a model; the test is skipped if its package is missing."""
        pytest.importorskip(self.package)
        cfg = HyperparametersConfig(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            scheduler=self.scheduler,
            optimizer_params=self.params | params,
        )
        return build_optimizer(model, cfg, [], OptimizationsConfig(**({self.swap: True} if self.swap else {})))


MOMENTUM = {"momentum": 0.9}
KINDS = {
    "adamw": Kind("AdamW", 3e-3),
    "sgd": Kind("sgd", 1e-2, params=MOMENTUM),
    "adagrad": Kind("adagrad", 1e-2),
    "prodigy": Kind("prodigy", 1.0, params={"d0": 1e-4}),
    "muon": Kind("muon", 2e-2, params={"adamw": {"lr": 3e-3}}),
    "apollo": Kind("apollo", 3e-3, params={"rank": 8, "refreshed": 3}),
    "apollo-mini": Kind("apollo", 3e-3, params={"rank": 1, "by": "tensor"}),
    "adamw-schedulefree": Kind("adamw", 1e-2, "schedulefree", "schedulefree"),
    "sgd-schedulefree": Kind("sgd", 3e-2, "schedulefree", "schedulefree", params=MOMENTUM),
    "adamw-dadaptation": Kind("adamw", 1.0, "dadaptation", swap="dadaptation", params={"d0": 1e-4}),
    "sgd-dadaptation": Kind("sgd", 1.0, "dadaptation", swap="dadaptation", params={"d0": 1e-3, "lr": 0.1}),
    "adagrad-dadaptation": Kind("adagrad", 1.0, "dadaptation", swap="dadaptation", params={"d0": 1e-2}),
    "adamw-8bit": Kind("adamw", 3e-3, "bitsandbytes", swap="bitsandbytes"),
    "sgd-8bit": Kind("sgd", 1e-2, "bitsandbytes", swap="bitsandbytes", params=MOMENTUM),
    "adagrad-8bit": Kind("adagrad", 1e-2, "bitsandbytes", swap="bitsandbytes"),
}


def learning_model() -> VallE:
    """A tiny model with the same weights each time."""
    torch.manual_seed(0)
    return VallE(tiny_config())


def step(model: VallE, optimizer: Optimizer) -> float:
    """One step on samples that stay the same, as engines make it; returns the loss before it."""
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    loss = model(SAMPLES).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())
