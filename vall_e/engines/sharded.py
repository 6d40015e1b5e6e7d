"""The sharded engine: weights, gradients and optimizer states spread over ranks by torch's FSDP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.models.loss import LossOutput
from vall_e.models.vall_e import VallE
from vall_e.optim.learning_rate import apply_factor, effective, peak, set_peak
from vall_e.optim.optimizers import build_optimizer
from vall_e.optim.parameter_groups import freeze
from vall_e.precision import DTYPES
from vall_e.text import Tokenizer

from .engine import Engine
from .micro_batch import MicroBatch
from .optimizer_state import PREFIX, RUNNING, by_parameter, check_origin
from .ranks import Ranks
from .snapshot import Snapshot, copied
from .step_stats import StatsCollector, StepStats
from .trained_module import TrainedModule

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
FROM_FIRST = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
WITHIN = "valle."
"""Where the model is in the module that is sharded."""


class ShardedEngine(Engine):
    """The model is sharded before the first step, after weights have been loaded into a plain one.

    Each layer of the backbone is gathered when it is computed; what lies around the backbone once a pass. Running out
    of memory ends the run: ranks wait for one another within every pass.
    """

    whole = False
    module: TrainedModule | None = None
    optimizer: torch.optim.Optimizer

    def __init__(self, cfg: Config, tokenizer: Tokenizer, codec: CodecIdentity, ranks: Ranks) -> None:
        super().__init__(cfg, tokenizer, codec, ranks)
        torch.manual_seed(cfg.seed)
        self.dtype = DTYPES[cfg.trainer.weight_dtype]
        self.model = self.equip(self.fresh_model().to(torch.float32 if cfg.trainer.amp else self.dtype))
        freeze(self.model, cfg.model.frozen_params)

    def _shard(self) -> TrainedModule:
        """The model spread over ranks, once."""
        if self.module is not None:
            return self.module
        mesh = init_device_mesh(self.device.type, (self.ranks.size,))
        amp = MixedPrecisionPolicy(param_dtype=self.dtype, reduce_dtype=torch.float32)
        policy = amp if self.cfg.trainer.amp else MixedPrecisionPolicy()
        self.module = TrainedModule(self.model.to(self.device))
        for layer in self.model.model.stack:
            fully_shard(layer, mesh=mesh, mp_policy=policy)
        fully_shard(self.module, mesh=mesh, mp_policy=policy)
        self.optimizer = build_optimizer(self.model, self.cfg.hyperparameters, [])
        return self.module

    def accumulate(self, micro_batches: list[MicroBatch]) -> StepStats:
        """See `Engine`."""
        module, collector = self._shard(), StatsCollector()
        skipped, exits = self.skipped_layers(), self.early_exits()
        for number, batch in enumerate(micro_batches, 1):
            self.collect_garbage_within()
            module.set_requires_gradient_sync(number == len(micro_batches))  # type: ignore[operator]
            torch.manual_seed(batch.seed)
            output = LossOutput(*module(batch.inputs, skipped, exits))
            collector.add(output, batch.share, len(batch.inputs))
            (output.loss * batch.share).backward()  # type: ignore[no-untyped-call]
        return collector.collected()

    def update(self) -> float:
        """See `Engine`."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        for parameter in trained:
            if parameter.grad is None:  # of a layer that was left out
                parameter.grad = torch.zeros_like(parameter)
        limit = self.cfg.hyperparameters.gradient_clipping or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(trained, limit).full_tensor())  # type: ignore[attr-defined]
        if torch.isfinite(torch.tensor(norm)):
            self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def follow_schedule(self, factor: float) -> None:
        """See `Engine`."""
        self._shard()
        apply_factor(self.optimizer, factor)

    @property
    def effective_learning_rate(self) -> float:
        """See `Engine`."""
        return effective(self.optimizer)

    @property
    def learning_rate(self) -> float:
        """See `Engine`."""
        self._shard()
        return peak(self.optimizer)

    def set_learning_rate(self, learning_rate: float) -> None:
        """See `Engine`."""
        self._shard()
        set_peak(self.optimizer, learning_rate)

    def weights(self) -> dict[str, Tensor]:
        """See `Engine`."""
        found: dict[str, Tensor] = get_model_state_dict(self._shard(), options=WHOLE)  # type: ignore[assignment]
        return copied((name.removeprefix(WITHIN), tensor) for name, tensor in found.items())

    def snapshot(self, positions: dict[str, Any]) -> Snapshot:
        """See `Engine`."""
        weights, state = self.weights(), self._optimizer_state().get("state", {})
        tensors = {
            f"{PREFIX}{name.removeprefix(WITHIN)}.{key}": value
            for name, kept in state.items()
            for key, value in kept.items()
        }
        running = [{k: v for k, v in group.items() if k in RUNNING} for group in self.optimizer.param_groups]
        rest = {"kind": self._kind, "scalars": {}, "groups": running, "parameters": self._trained_names}
        counters = self.counters(positions) | {"optimizer": rest, "scaler": {}}
        return Snapshot(weights, copied(tensors.items()), counters=counters) if self.ranks.first else Snapshot({})

    def restore(self, states: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """See `Engine`."""
        module, rest = self._shard(), counters["optimizer"]
        check_origin(self._kind, dict.fromkeys(self._trained_names), rest)
        told = self._optimizer_state()
        if self.ranks.first:
            found = by_parameter(states, rest["scalars"])
            told["state"] = {f"{WITHIN}{name}": values for name, values in found.items()}
        set_optimizer_state_dict(module, self.optimizer, told, options=FROM_FIRST)

    @contextmanager
    def speaking(self) -> Iterator[VallE]:
        """See `Engine`."""
        weights, whole = self.weights(), self.fresh_model().to(self.device)
        if self.ranks.first:
            whole.load_state_dict(weights)
        yield whole

    def _optimizer_state(self) -> dict[str, Any]:
        return dict(get_optimizer_state_dict(self._shard(), self.optimizer, options=WHOLE))

    @property
    def _kind(self) -> str:
        return type(self.optimizer).__name__

    @property
    def _trained_names(self) -> list[str]:
        return sorted(name for name, p in self.model.named_parameters() if p.requires_grad)
