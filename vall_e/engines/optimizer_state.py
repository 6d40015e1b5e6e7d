"""Optimizer state as named tensors and JSON, so that no pickle is written and any engine can read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vall_e.errors import CheckpointError

PREFIX = "optimizer."

PRODIGY = {"d", "d_max", "d_numerator", "d_denom", "d_hat", "k"}
D_ADAPTATION = {"numerator_weighted", "gsq_weighted", "sksq_weighted", "skl1", "g0_norm"}
SCHEDULE_FREE = {"weight_sum", "lr_max", "scheduled_lr", "train_mode"}
RUNNING = frozenset(PRODIGY | D_ADAPTATION | SCHEDULE_FREE)
"""What optimizers keep in their groups, beside the settings; `d` and `k` are those of several."""

Names = Mapping[int, str]
"""Name of a parameter by its id()."""


def split_state(optimizer: Optimizer, names: Names) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by `optimizer.<parameter>.<state>`, copied to main memory, and everything else as JSON."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for parameter, values in optimizer.state.items():
        name = names[id(parameter)]
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{PREFIX}{name}.{key}"] = value.detach().to("cpu", copy=True).contiguous()
            else:
                scalars.setdefault(name, {})[key] = value
    running = [{key: _plain(group[key]) for key in RUNNING if key in group} for group in optimizer.param_groups]
    kept = sorted(names[id(p)] for group in optimizer.param_groups for p in group["params"])
    return tensors, {"kind": type(optimizer).__name__, "scalars": scalars, "groups": running, "parameters": kept}


def join_state(optimizer: Optimizer, names: Names, tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> None:
    """Put back what `split_state` took.

    Of the groups only what the optimizer itself found returns: settings such as `weight_decay` are those in force now.
    CheckpointError if it is the state of another optimizer or of other parameters.
    """
    parameters = {names[id(p)]: p for group in optimizer.param_groups for p in group["params"]}
    fused = {id(p) for group in optimizer.param_groups if group.get("fused") for p in group["params"]}
    check_origin(type(optimizer).__name__, parameters, rest)
    for name, states in by_parameter(tensors, rest["scalars"]).items():
        own = parameters[name]
        optimizer.state[own] = {
            key: _placed(key, value, own, id(own) in fused) if isinstance(value, Tensor) else value
            for key, value in states.items()
        }
    for group, running in zip(optimizer.param_groups, rest["groups"], strict=False):
        group.update(running)


def check_origin(kind: str, parameters: Mapping[str, object], rest: dict[str, Any]) -> None:
    """CheckpointError unless `rest` is of an optimizer of this kind over these parameters."""
    if (kind, sorted(parameters)) != (rest["kind"], sorted(rest["parameters"])):
        raise CheckpointError(
            f"the checkpoint has the state of {rest['kind']} over {len(rest['parameters'])} parameters, this run is "
            f"to go on with {kind} over {len(parameters)}: trainer.load_states=false leaves that state out"
        )


def by_parameter(tensors: Mapping[str, Tensor], scalars: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """States of each parameter by name; other tensors than an optimizer's are left out."""
    found = {name: dict(values) for name, values in scalars.items()}
    for key, value in tensors.items():
        if key.startswith(PREFIX):
            name, _, state = key[len(PREFIX) :].rpartition(".")
            found.setdefault(name, {})[state] = value
    return found


def _placed(key: str, value: Tensor, parameter: Tensor, fused: bool) -> Tensor:
    """A step count stays in main memory, where torch's optimizers expect it unless they are fused."""
    if key == "step" and not fused:
        return value.to(torch.float32)
    return value.to(parameter.device).clone()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value
