"""Tensors of the plain model and of each adapter, told apart, whatever form the adapters have."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from vall_e.errors import ConfigError
from vall_e.models.vall_e import VallE

from ..backbones.bit_linear import BitLinear
from ..build import build_model
from .adapter import Adapter
from .low_rank import CHANGE, A, B

MARK = "lora_"
PARAMETRIZED = ".parametrizations.weight.original"


def base_names(state: Collection[str]) -> dict[str, str]:
    """Names of the plain model's tensors in a state dict, by those they have in a model without adapters."""
    return {name.replace(PARAMETRIZED, ".weight"): name for name in state if MARK not in name}


def base_state_dict(model: nn.Module, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The tensors of the model without its adapters, as a model that never had any would name them.

    `state`: the model's whole tensors, where an engine has gathered them; None asks the model.
    """
    tensors = model.state_dict() if state is None else state
    return {name: tensors[own] for name, own in base_names(tensors).items()}


def adapter_state_dict(model: VallE, name: str, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The tensors of one adapter by their names in its file: `<linear>.lora_A`, `.lora_B`, `<table>.lora_change`."""
    tensors = model.state_dict() if state is None else state
    return {file: tensors[own] for file, own in model.adapters[name].names.items()}


def merged_state_dict(model: VallE, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The tensors of a plain model that says what this one says with its enabled adapters.

    ConfigError for an adapter of some RVQ levels alone, as weights are the same at all levels, and for one beside
    weights of one bit, which are rounded without it.
    """
    merged = base_state_dict(model, state)
    rounded = any(isinstance(module, BitLinear) for module in model.modules())
    for adapter in model.adapters.values():
        if adapter.enabled and rounded and not adapter.cfg.parametrize:
            raise ConfigError(
                f"loras.{adapter.name}.parametrize=false: what is added beside weights of one bit cannot be merged "
                "with them, allowed: true"
            )
        if adapter.enabled:
            _merge(merged, adapter, adapter_state_dict(model, adapter.name, state))
    return merged


def merged(model: VallE) -> VallE:
    """A plain model in eval mode that says what `model` says with its enabled adapters."""
    plain = build_model(model.cfg).to(model.device, model.dtype)
    plain.load_state_dict(merged_state_dict(model))
    return plain.eval()


def _merge(weights: dict[str, Tensor], adapter: Adapter, tensors: Mapping[str, Tensor]) -> None:
    if adapter.levels:
        raise ConfigError(
            f"loras.{adapter.name}.rvq_levels={adapter.levels}: what speaks at some levels alone cannot be merged, "
            "allowed: []"
        )
    for at in {name.rpartition(".")[0] for name in tensors}:
        weight = weights[f"{at}.weight"]
        dtype = torch.promote_types(weight.dtype, torch.float32)
        change = tensors.get(f"{at}.{CHANGE}")
        if change is None:
            change = adapter.scale * (tensors[f"{at}.{B}"].to(dtype) @ tensors[f"{at}.{A}"].to(dtype))
        weights[f"{at}.weight"] = (weight.to(dtype) + change).to(weight.dtype)
