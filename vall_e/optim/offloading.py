"""A model whose modules lie on several devices: its tensors follow them."""

from __future__ import annotations

import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from vall_e.config.offloading import OffloadingConfig

from .offload_plan import chosen, plan

log = logging.getLogger(__name__)


def offload_as_told(model: nn.Module, told: OffloadingConfig, home: torch.device) -> None:
    """Spread a model over devices; ConfigError if it does not fit. What is not spread goes to `home`."""
    sizes = leaf_sizes(model)
    spread = chosen(sizes, told.include, told.exclude)
    devices = told.devices or [*(f"cuda:{index}" for index in range(torch.cuda.device_count())), "cpu"]
    free = [free_memory(torch.device(name)) for name in devices]
    placed = plan({name: sizes[name] for name in spread}, devices, free, told.limits, told.assign)
    log.info(
        "Spread %d modules: %s", len(placed), ", ".join(f"{n} on {d}" for d, n in Counter(placed.values()).items())
    )
    offload(model, placed, home)


def leaf_sizes(model: nn.Module) -> dict[str, int]:
    """Bytes of every module with parameters and no modules in it but parametrizations, in the order of the model."""
    sizes: dict[str, int] = {}
    for name, module in model.named_modules():
        is_leaf = is_parametrized(module) or not list(module.children())
        if is_leaf and not sizes.keys() & set(_around(name)):
            sizes[name] = sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
    return {name: size for name, size in sizes.items() if size}


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU; main memory, where the model has been built, has room for all of it."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else sys.maxsize


def offload(model: nn.Module, placed: Mapping[str, str | torch.device], home: torch.device) -> None:
    """Move the modules named in `placed` to their devices, all else to `home`, and let tensors follow by hooks.

    A module gets its arguments on its device. What it returns goes to the device of the module around it, where it
    meets other tensors, unless the module's `hands_on` says that the next one takes it. To be done before an optimizer
    is made, and after adapters are attached: parameters that are moved are new ones.
    """
    modules, places = dict(model.named_modules()), _Places(model, placed, home)
    for name, module in modules.items():
        here, caller = places.of(name), places.caller(name)
        _move_own(module, here)
        if name and is_called(module) and not places.in_one(caller):
            _follow(module, here, None if getattr(module, "hands_on", False) else places.of(caller))


def is_called(module: nn.Module) -> bool:
    """Whether a module computes something itself, or only holds others, as lists do."""
    return type(module).forward is not nn.Module.forward


class _Places:
    """Devices of modules by name."""

    def __init__(self, model: nn.Module, placed: Mapping[str, str | torch.device], home: torch.device) -> None:
        self._home, self._callers = home, {name: is_called(module) for name, module in model.named_modules()}
        self._devices: dict[str, list[torch.device]] = defaultdict(list)
        for leaf in leaf_sizes(model):
            for name in (leaf, *_around(leaf)):
                self._devices[name].append(torch.device(placed.get(leaf, home)))

    def of(self, name: str) -> torch.device:
        """The device of a module: of one that holds others that of the first of them, of the whole model `home`."""
        if not name:
            return self._home
        return self._devices[name][0] if name in self._devices else self.of(name.rpartition(".")[0])

    def in_one(self, name: str) -> bool:
        """Whether all that a module holds lies where it does."""
        return {*self._devices.get(name, ()), self.of(name)} == {self.of(name)}

    def caller(self, name: str) -> str:
        """The nearest module around another that computes something."""
        return next((around for around in _around(name) if self._callers[around]), "")


def _around(name: str) -> Iterator[str]:
    """Names of the modules around another, from within."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _move_own(module: nn.Module, device: torch.device) -> None:
    """Move what belongs to a module itself, not to those in it."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.device != device:
            setattr(module, name, nn.Parameter(parameter.detach().to(device), parameter.requires_grad))
    for name, buffer in module.named_buffers(recurse=False):
        setattr(module, name, buffer.to(device))


def _follow(module: nn.Module, here: torch.device, back: torch.device | None) -> None:
    def bring(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        return moved(arguments, here), moved(named, here)

    def send(_: nn.Module, arguments: Any, output: Any) -> Any:
        return moved(output, back)

    module.register_forward_pre_hook(bring, with_kwargs=True)
    if back is not None:
        module.register_forward_hook(send)


def moved(value: Any, device: torch.device | None) -> Any:
    """`value` with its tensors, and those in tuples, lists and mappings, on `device`."""
    if isinstance(value, Tensor):
        return value.to(device)
    if type(value) in (tuple, list):
        return type(value)(moved(item, device) for item in value)
    return {key: moved(item, device) for key, item in value.items()} if type(value) is dict else value
