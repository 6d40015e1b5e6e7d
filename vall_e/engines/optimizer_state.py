"""Optimizer state as named tensors and JSON, so that no pickle is written."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

PREFIX = "optimizer."


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
    return tensors, {"scalars": scalars, "groups": groups}


def join_state(optimizer: Optimizer, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
    """Put back what `split_state` took; values of groups keep the type the optimizer gave them."""
    state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in rest["scalars"].items()}
    for key, tensor in tensors.items():
        if key.startswith(PREFIX):
            index, name = key[len(PREFIX) :].split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
    groups = []
    for own, saved in zip(optimizer.state_dict()["param_groups"], rest["groups"], strict=True):
        groups.append({key: _like(value, own.get(key)) for key, value in saved.items()})
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _like(value: Any, example: Any) -> Any:
    if isinstance(example, tuple):
        return tuple(value)
    if isinstance(example, Tensor):
        return torch.as_tensor(value, dtype=example.dtype, device=example.device)
    return value
