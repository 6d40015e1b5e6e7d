"""Optimizer state as named tensors and JSON, so that no pickle is written."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from vall_e.errors import CheckpointError

PREFIX = "optimizer."

RUNNING = frozenset({"d", "d_max", "d_numerator", "d_denom", "d_hat", "k"})
"""What Prodigy keeps in its groups, beside the settings."""


def split_state(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by `optimizer.<parameter>.<name>`, and everything else as JSON."""
    tree = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for index, values in tree["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{PREFIX}{index}.{name}"] = value.detach().cpu().clone().contiguous()
            else:
                scalars.setdefault(str(index), {})[name] = value
    groups = [{key: _plain(value) for key, value in group.items()} for group in tree["param_groups"]]
    return tensors, {"kind": type(optimizer).__name__, "scalars": scalars, "groups": groups}


def join_state(optimizer: Optimizer, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
    """Put back what `split_state` took.

    Of the groups only what the optimizer itself found returns: settings such as `weight_decay` are those in force now.
    CheckpointError if it is the state of another optimizer or of other parameters.
    """
    own_groups = optimizer.state_dict()["param_groups"]
    here, there = (type(optimizer).__name__, _owned(own_groups)), (rest["kind"], _owned(rest["groups"]))
    if here != there:
        raise CheckpointError(
            f"the checkpoint has the state of {there[0]} over {sum(there[1])} parameters, this run is to go on with "
            f"{here[0]} over {sum(here[1])}: trainer.load_states=false leaves that state out"
        )
    state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in rest["scalars"].items()}
    for key, tensor in tensors.items():
        if key.startswith(PREFIX):
            index, name = key[len(PREFIX) :].split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
    groups = []
    for own, saved in zip(own_groups, rest["groups"], strict=True):
        running = {key: value for key, value in saved.items() if key in RUNNING}
        groups.append(own | running)
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _owned(groups: list[dict[str, Any]]) -> list[int]:
    return [len(group["params"]) for group in groups]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value
