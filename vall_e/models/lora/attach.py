"""Giving a model adapters."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from vall_e.config.lora import LoraConfig
from vall_e.errors import ConfigError
from vall_e.models.vall_e import VallE

from .adapter import Adapter
from .low_rank import add_to_output, add_to_table, add_to_weight
from .policy import adapted_linears

BACKBONE = "model"
EMBEDDINGS = "_emb"


def attach(model: VallE, loras: Mapping[str, LoraConfig]) -> None:
    """Add adapters by name, after those the model has; none changes what it says before it is trained or loaded.

    Their contributions add up. To be done before an optimizer is made or modules are moved apart; weights of the model
    may be loaded before or after. `model.adapters[name].enabled` switches one off and on.
    """
    for name, cfg in loras.items():
        if name in model.adapters:
            raise ValueError(f"the model has an adapter called {name}")
        model.adapters[name] = _attached(model, Adapter(name, cfg, list(cfg.rvq_levels)))


def trained_adapters(model: VallE) -> list[Adapter]:
    """Those of the model's adapters that are to be trained."""
    return [adapter for adapter in model.adapters.values() if adapter.cfg.training]


def freeze_base(model: VallE) -> None:
    """Let nothing but the adapters in training be trained; does nothing if there is none."""
    trained = {name for adapter in trained_adapters(model) for name in adapter.names.values()}
    if trained:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in trained)


def _attached(model: VallE, adapter: Adapter) -> Adapter:
    linears = adapted_linears(model.get_submodule(BACKBONE), model.cfg.arch_type)
    if not linears:
        raise ConfigError(f"model.arch_type={model.cfg.arch_type} has no linear map that loras could be added to")
    add = add_to_weight if adapter.cfg.parametrize else add_to_output
    for at, linear in linears.items():
        _name(adapter, f"{BACKBONE}.{at}", add(linear, adapter))
    if adapter.cfg.embeddings:
        for at, module in list(model.named_modules()):
            if EMBEDDINGS in at and isinstance(module, nn.Embedding):
                _name(adapter, at, add_to_table(module, adapter))
    for parameter in adapter.names.values():
        model.get_parameter(parameter).requires_grad_(adapter.cfg.training)
    return adapter


def _name(adapter: Adapter, at: str, names: Mapping[str, str]) -> None:
    adapter.names |= {f"{at}.{file}": f"{at}.{own}" for file, own in names.items()}
