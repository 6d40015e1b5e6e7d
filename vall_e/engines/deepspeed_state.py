"""Weights and optimizer state of DeepSpeed, whole and by parameter name, whatever ZeRO shards.

DeepSpeed keeps them in flat float32 partitions. Its ranks gather a parameter at a time, so that no rank but the first
ever holds more than one parameter whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .optimizer_state import PREFIX, RUNNING, by_parameter, check_origin
from .trained_module import TrainedModule

SAME_AS = {"FusedAdam": "AdamW", "DeepSpeedCPUAdam": "AdamW", "DeepSpeedCPUAdagrad": "Adagrad"}

Named = Mapping[str, nn.Parameter]


def gather_around(module: TrainedModule) -> None:
    """Have ZeRO's third stage gather everything outside the backbone once a pass, whichever of it a rank's batch needs.

    Else every embedding and head would be gathered when it is called, and ranks call different ones.
    """
    from deepspeed import zero

    backbone = set(module.valle.model.modules())
    within = {id(parameter) for parameter in module.valle.model.parameters()}
    for parameter in module.valle.parameters():
        if id(parameter) not in within:
            zero.register_external_parameter(module, parameter)
    for inner in module.valle.modules():
        if inner not in backbone and inner is not module.valle:
            inner._forward_pre_hooks.clear()
            inner._forward_hooks.clear()


class ZeroState:
    """State of a ZeRO optimizer of any stage; `parameters` are those of the model by name."""

    def __init__(self, optimizer: Any, stage: int, parameters: Named) -> None:
        self._zero, self._stage = optimizer, stage
        self._parameters = {name: p for name, p in parameters.items() if p.requires_grad}
        self._frozen = {name: p for name, p in parameters.items() if not p.requires_grad}
        self._inner: torch.optim.Optimizer = optimizer.optimizer

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Frozen weights as they are and the float32 originals of the others; to be called on every rank."""
        from deepspeed import zero
        from deepspeed.utils import safe_get_full_fp32_param

        for name, parameter in self._frozen.items():
            with zero.GatheredParameters([parameter], enabled=self._stage == 3):
                whole = parameter.detach().clone()
            yield name, whole
        for name, parameter in self._parameters.items():
            yield name, safe_get_full_fp32_param(parameter)

    def set_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the float32 originals by those that the weights computed with were rounded from."""
        for name, parameter in self._parameters.items():
            if name in tensors:
                self._set(parameter, tensors[name])

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """`optimizer.<parameter>.<state>` of every state; to be called on every rank."""
        from deepspeed.utils import safe_get_full_optimizer_state

        self._link()
        shared = {k: v for k, v in self._any_state().items() if not self._is_flat(v)}
        for name, parameter in self._parameters.items():
            for key in self._flat_keys():
                yield f"{PREFIX}{name}.{key}", safe_get_full_optimizer_state(parameter, key)
            for key, value in shared.items():
                yield f"{PREFIX}{name}.{key}", torch.as_tensor(value, dtype=torch.float32).clone()

    def rest(self) -> dict[str, Any]:
        """What the state holds beside tensors: see `split_state`."""
        running = [{k: v for k, v in group.items() if k in RUNNING} for group in self._inner.param_groups]
        return {"kind": self.kind, "scalars": {}, "groups": running, "parameters": sorted(self._parameters)}

    @property
    def kind(self) -> str:
        """Name of the optimizer; those DeepSpeed builds in place of torch's go by torch's."""
        name = type(self._inner).__name__
        return SAME_AS.get(name, name)

    def load(self, tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> None:
        """Put back what `tensors` and `rest` gave, from whatever engine and number of ranks."""
        check_origin(self.kind, self._parameters, rest)
        states = by_parameter(tensors, rest["scalars"])
        if not states:
            return
        example = next(iter(states.values()))
        flat_keys = [key for key, value in example.items() if isinstance(value, Tensor) and value.ndim]
        for flat in self._flats():
            scalars = {key: self._scalar(value) for key, value in example.items() if key not in flat_keys}
            self._inner.state[flat] = {key: torch.zeros_like(flat) for key in flat_keys} | scalars
        self._link()
        for name, parameter in self._parameters.items():
            for key in flat_keys:
                self._set(parameter, states[name][key], key)
        for group, running in zip(self._inner.param_groups, rest["groups"], strict=False):
            group.update(running)

    def _set(self, parameter: nn.Parameter, value: Tensor, key: str | None = None) -> None:
        """Replace the float32 original, or the state `key`, of a parameter."""
        from deepspeed import utils

        value = value.to(parameter.device, torch.float32)
        if self._stage < 3:
            put = utils.safe_set_full_fp32_param if key is None else utils.safe_set_full_optimizer_state
        else:
            # Its function for whole values takes no parameter whose size the number of ranks does not divide.
            put = utils.safe_set_local_fp32_param if key is None else utils.safe_set_local_optimizer_state
            value = self._piece(parameter, value)
        put(parameter, value, *([key] if key is not None else []))

    def _piece(self, parameter: Any, value: Tensor) -> Tensor:
        """What of a parameter this rank holds, padded at the end."""
        size, rank = parameter.ds_tensor.numel(), dist.get_rank()
        piece = value.flatten()[size * rank : size * (rank + 1)]
        return torch.nn.functional.pad(piece, (0, size - len(piece)))

    def _flats(self) -> list[Tensor]:
        if self._stage == 3:
            return list(self._zero.fp32_partitioned_groups_flat)
        return list(self._zero.single_partition_of_fp32_groups)

    def _any_state(self) -> dict[str, Any]:
        return next((self._inner.state[flat] for flat in self._flats() if self._inner.state.get(flat)), {})

    def _flat_keys(self) -> list[str]:
        return [key for key, value in self._any_state().items() if self._is_flat(value)]

    def _is_flat(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.ndim > 0

    def _scalar(self, value: Any) -> Any:
        """DeepSpeed's own optimizers count steps in integers, torch's in tensors."""
        if type(self._inner).__module__.startswith("torch."):
            return torch.as_tensor(value, dtype=torch.float32).clone()
        return int(value)

    def _link(self) -> None:
        """Stages 1 and 2 link a parameter to its state once, at the first step, when later groups have none yet."""
        if self._stage < 3:
            self._zero._hp_optimizer_states_linked = False
            self._zero._lazy_init_hp_params_optimizer_state()
