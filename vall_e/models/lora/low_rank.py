"""The two forms of a low-rank addition to a linear map, which are the same function of the same tensors.

Tensors: lora_A [r, in], lora_B [out, r]. The change of a weight [out, in] is alpha / r * lora_B lora_A, which is zero
before training, as lora_B is (arXiv:2106.09685, section 4.1).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear
from torch.nn.utils.parametrize import register_parametrization

from .adapter import Adapter

A, B, CHANGE = "lora_A", "lora_B", "lora_change"


def fresh_pair(at: nn.Linear, rank: int) -> tuple[nn.Parameter, nn.Parameter]:
    """lora_A [r, in] drawn as the weight of a linear map is, lora_B [out, r] zero; where and as `at` is."""
    down = at.weight.new_empty(rank, at.in_features)
    nn.init.kaiming_uniform_(down, a=math.sqrt(5))
    return nn.Parameter(down.detach()), nn.Parameter(at.weight.new_zeros(at.out_features, rank).detach())


class OutputAddition:
    """A forward hook: W x + b + alpha / r * lora_B lora_A drop(x).

    The tensors are parameters of the linear map itself, whatever its class is, and its own keep their names.
    """

    def __init__(self, adapter: Adapter, down: str, up: str) -> None:
        self.adapter, self.down, self.up = adapter, down, up

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        """The output of the linear map with the addition of the adapter, if it is active."""
        if not self.adapter.active:
            return output
        x = dropout(arguments[0], self.adapter.dropout, module.training)
        low = linear(x, getattr(module, self.down))
        return output + self.adapter.scale * linear(low, getattr(module, self.up))


class WeightAddition(nn.Module):
    """A parametrization: W + alpha / r * lora_B drop(lora_A)."""

    def __init__(self, adapter: Adapter, down: nn.Parameter, up: nn.Parameter) -> None:
        super().__init__()
        self.adapter, self.lora_A, self.lora_B = adapter, down, up

    def forward(self, weight: Tensor) -> Tensor:
        if not self.adapter.active:
            return weight
        return weight + self.adapter.scale * (self.lora_B @ dropout(self.lora_A, self.adapter.dropout, self.training))


class EmbeddingChange(nn.Module):
    """A parametrization: a table and a learnt change of all of it, zero before training."""

    def __init__(self, adapter: Adapter, like: Tensor) -> None:
        super().__init__()
        self.adapter, self.lora_change = adapter, nn.Parameter(torch.zeros_like(like))

    def forward(self, table: Tensor) -> Tensor:
        return table + self.lora_change if self.adapter.active else table


def add_to_output(module: nn.Linear, adapter: Adapter) -> dict[str, str]:
    """Add an adapter beside a linear map; names of its tensors there by those of the file.

    The first adapter has the names of the file, the others their own name after them.
    """
    suffix = f"_{adapter.name}" if hasattr(module, A) else ""
    names = {A: A + suffix, B: B + suffix}
    for name, parameter in zip(names.values(), fresh_pair(module, adapter.cfg.rank), strict=True):
        module.register_parameter(name, parameter)
    module.register_forward_hook(OutputAddition(adapter, *names.values()))
    return names


def add_to_weight(module: nn.Linear, adapter: Adapter) -> dict[str, str]:
    """Parametrize the weight of a linear map; names of the adapter's tensors there by those of the file."""
    return _parametrize(module, WeightAddition(adapter, *fresh_pair(module, adapter.cfg.rank)), (A, B))


def add_to_table(module: nn.Embedding, adapter: Adapter) -> dict[str, str]:
    """Parametrize an embedding table; the name of the adapter's tensor there by that of the file."""
    return _parametrize(module, EmbeddingChange(adapter, module.weight), (CHANGE,))


def _parametrize(module: nn.Module, addition: nn.Module, names: tuple[str, ...]) -> dict[str, str]:
    register_parametrization(module, "weight", addition)
    place = len(module.get_submodule("parametrizations.weight")) - 1  # type: ignore[arg-type]
    return {name: f"parametrizations.weight.{place}.{name}" for name in names}
