"""The DeepSpeed engine: ZeRO, its mixed precision and its optimizers around the same steps as the local engine's."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.errors import MemoryExhausted, MissingExtra, VallEError
from vall_e.models.checkpointing import Checkpointing
from vall_e.models.loss import LossOutput
from vall_e.models.vall_e import VallE
from vall_e.optim.optimizers import build_optimizer
from vall_e.optim.parameter_groups import WEIGHT_DECAY, freeze, parameter_groups
from vall_e.text import Tokenizer

from .deepspeed_settings import builds_optimizer, engine_settings
from .deepspeed_state import ZeroState, gather_around, untrained_tensors
from .engine import Engine
from .memory import advice, is_out_of_memory, sizes
from .micro_batch import MicroBatch
from .optimizer_state import join_state, split_state
from .ranks import ALONE, Ranks
from .snapshot import Snapshot, copied
from .step_stats import StatsCollector, StepStats
from .trained_module import TrainedModule

log = logging.getLogger(__name__)


class DeepSpeedEngine(Engine):
    """DeepSpeed takes the model over before the first step, after weights have been loaded into a plain one."""

    deepspeed: Any = None
    """DeepSpeed's own engine."""

    def __init__(self, cfg: Config, tokenizer: Tokenizer, codec: CodecIdentity, ranks: Ranks = ALONE) -> None:
        super().__init__(cfg, tokenizer, codec, ranks)
        torch.manual_seed(cfg.seed)
        self.model = self.fresh_model()
        self.model.model.checkpointing = Checkpointing.chosen_by(cfg.trainer, cfg.optimizations)
        self.settings = engine_settings(cfg, ranks.size)
        self.stage: int = self.settings.get("zero_optimization", {}).get("stage", 0)
        self.whole = self.stage == 0
        self.peak = cfg.hyperparameters.learning_rate
        freeze(self.model, cfg.model.frozen_params)
        self._zero: ZeroState | None = None

    def _take_over(self) -> None:
        """Give the model to DeepSpeed, once."""
        if self.deepspeed is not None:
            return
        weights = {name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad}
        self.deepspeed = self._initialize(TrainedModule(self.model.to(self.device), fill_skipped=self.stage < 3))
        if self.stage:
            named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
            self._zero = ZeroState(self.deepspeed.optimizer, self.stage, named)
            self._zero.set_weights(weights)

    def _initialize(self, module: TrainedModule) -> Any:
        try:
            import deepspeed
        except ImportError as error:
            raise MissingExtra("deepspeed", "deepspeed", "trainer.backend=deepspeed") from error
        if not dist.is_initialized():
            os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed insists on it, in a single process, too
            dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
        hyper, ours = self.cfg.hyperparameters, not builds_optimizer(self.cfg)
        try:
            engine, *_ = deepspeed.initialize(
                model=module,
                optimizer=build_optimizer(self.model, hyper, []) if ours else None,
                model_parameters=None if ours else parameter_groups(self.model, WEIGHT_DECAY),
                config={name: value for name, value in self.settings.items() if name != "optimizer" or not ours},
                dist_init_required=False,
            )
        except (ValueError, AssertionError, deepspeed.DeepSpeedConfigError) as error:
            raise VallEError(f"DeepSpeed refuses these settings: {error}") from error
        if self.stage == 3:
            gather_around(module)
        return engine

    def accumulate(self, micro_batches: list[MicroBatch]) -> StepStats:
        """See `Engine`; a micro-batch whose forward pass does not fit into memory is halved, on all ranks."""
        collector, skipped, pending = StatsCollector(), self.skipped_layers(), list(micro_batches)
        if self.stage == 3:  # layers that are left out would else have the gradients of the step before
            self.deepspeed.optimizer.grad_partitions_flat_buffer.zero_()
        while pending:
            self.collect_garbage_within()
            batch = pending.pop(0)
            self.deepspeed.set_gradient_accumulation_boundary(not pending)
            output, error = self._forward(batch, skipped)
            if self.stage < 3 and self.ranks.any(error is not None):
                pending[:0] = self._halves(batch, error)
                continue
            assert output is not None
            collector.add(output, batch.share, len(batch.inputs))
            self.deepspeed.backward(output.loss * batch.share, scale_wrt_gas=False)
        return collector.collected()

    def update(self) -> float:
        """See `Engine`; ZeRO itself skips what is not finite."""
        if self.stage:
            self.deepspeed.step()
            return float(self.deepspeed.get_global_grad_norm())
        norm = float(torch.nn.utils.get_total_norm(p.grad for p in self.model.parameters() if p.grad is not None))
        if math.isfinite(norm):
            self.deepspeed.step()
        else:
            self.deepspeed.zero_grad()
        return norm

    def follow_schedule(self, factor: float) -> None:
        """See `Engine`; a schedule of DeepSpeed's is its own affair."""
        self._take_over()
        if self.deepspeed.lr_scheduler is None:
            for group in self.deepspeed.optimizer.param_groups:
                group["lr"] = self.peak * factor

    @property
    def effective_learning_rate(self) -> float:
        """See `Engine`."""
        return float(self.deepspeed.get_lr()[0])

    @property
    def learning_rate(self) -> float:
        """See `Engine`."""
        return self.peak

    def set_learning_rate(self, learning_rate: float) -> None:
        """See `Engine`."""
        if self.cfg.hyperparameters.torch_scheduler:
            self.peak = learning_rate
        else:
            log.warning("The learning rate stays: the schedule is DeepSpeed's (hyperparameters.torch_scheduler=false)")

    def weights(self) -> dict[str, Tensor]:
        """See `Engine`."""
        self._take_over()
        kept = copied(self.model.state_dict().items()) if self.ranks.first and self.stage < 3 else {}
        untrained = untrained_tensors(self.model) if self.stage == 3 else ()
        for name, tensor in chain(untrained, self._zero.weights() if self._zero else ()):
            if self.ranks.first:
                kept |= copied([(name, tensor)])
        return kept

    def snapshot(self, positions: dict[str, Any]) -> Snapshot:
        """See `Engine`."""
        weights = self.weights()
        tensors, rest = self._optimizer_state()
        counters = self.counters(positions) | {"optimizer": rest, "scaler": {}} | self._deepspeed_counters()
        return Snapshot(weights, tensors, counters=counters) if self.ranks.first else Snapshot({})

    def restore(self, states: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """See `Engine`."""
        self._take_over()
        if self._zero is not None:
            self._zero.load(states, counters["optimizer"])
        else:
            join_state(self._optimizer, self.names, states, counters["optimizer"])
        if self.deepspeed.lr_scheduler is not None and counters.get("scheduler"):
            self.deepspeed.lr_scheduler.load_state_dict(counters["scheduler"])
        if counters.get("loss_scale") and hasattr(self.deepspeed.optimizer, "loss_scaler"):
            self.deepspeed.optimizer.loss_scaler.cur_scale = counters["loss_scale"]

    @contextmanager
    def speaking(self) -> Iterator[VallE]:
        """See `Engine`."""
        if self.stage < 3:
            yield self.model
            return
        weights = self.weights()
        whole = self.fresh_model().to(self.device)
        if self.ranks.first:
            whole.load_state_dict(weights)
        yield whole

    def _forward(self, batch: MicroBatch, skipped: frozenset[int]) -> tuple[LossOutput | None, BaseException | None]:
        torch.manual_seed(batch.seed)
        try:
            return LossOutput(*self.deepspeed(batch.inputs, skipped)), None
        except (RuntimeError, MemoryError) as error:
            # In stage 3 the others wait for this rank amid their forward pass: it can but end.
            if not (self.cfg.trainer.check_for_oom and self.stage < 3 and is_out_of_memory(error)):
                raise
            return None, error.with_traceback(None)

    def _halves(self, batch: MicroBatch, error: BaseException | None) -> list[MicroBatch]:
        """Both halves of a batch, one of them without weight if it holds a single sample: ranks stay in step."""
        if not self.ranks.any(len(batch.inputs) > 1):
            raise MemoryExhausted(advice(self.cfg, self.device, self.global_step + 1, [batch])) from error
        where = self.device if error is not None else "another rank"
        log.warning("Memory ran out on %s in a micro-batch of %s, which is halved", where, sizes([batch]))
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return batch.split(2) if len(batch.inputs) > 1 else [batch, replace(batch, share=0.0)]

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self.deepspeed.optimizer
        return optimizer

    def _optimizer_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        if self._zero is None:
            return split_state(self._optimizer, self.names)
        tensors: dict[str, Tensor] = {}
        for name, tensor in self._zero.tensors():
            if self.ranks.first:
                tensors |= copied([(name, tensor)])
        return tensors, self._zero.rest()

    def _deepspeed_counters(self) -> dict[str, Any]:
        scheduler, scaler = self.deepspeed.lr_scheduler, getattr(self.deepspeed.optimizer, "loss_scaler", None)
        return {
            "scheduler": scheduler.state_dict() if scheduler is not None else {},
            "loss_scale": float(scaler.cur_scale) if scaler is not None else None,
        }
