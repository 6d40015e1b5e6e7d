"""The DeepSpeed engine: ZeRO, its mixed precision and its optimizers around the same steps as the local engine's."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.errors import MemoryExhausted
from vall_e.models.loss import LossOutput
from vall_e.models.vall_e import VallE
from vall_e.optim.learning_rate import apply_factor, effective, peak, set_peak
from vall_e.optim.parameter_groups import freeze
from vall_e.text import Tokenizer

from .deepspeed_course import loss_scale, restore_loss_scale, restore_schedule, step
from .deepspeed_settings import engine_settings
from .deepspeed_start import hand_over
from .deepspeed_state import ZeroState, gather_around
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
        self.model = self.equip(self.fresh_model())
        self.settings = engine_settings(cfg, ranks.size)
        self.stage: int = self.settings.get("zero_optimization", {}).get("stage", 0)
        self.whole = self.stage == 0
        self._rate = 0.0
        freeze(self.model, cfg.model.frozen_params)
        self._zero: ZeroState | None = None

    def _take_over(self) -> None:
        """Give the model to DeepSpeed, once."""
        if self.deepspeed is not None:
            return
        weights = {name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad}
        module = TrainedModule(self.model.to(self.device), fill_skipped=self.stage < 3)
        self.deepspeed = hand_over(module, self.cfg, self.settings)
        if self.stage == 3:
            gather_around(self.deepspeed.module)
        if self.stage:
            self._zero = ZeroState(self.deepspeed.optimizer, self.stage, dict(self.model.named_parameters()))
            self._zero.set_weights(weights)

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
        self._rate = effective(self._optimizer)  # a schedule of DeepSpeed's will have set that of the next step
        if self.stage:
            step(self.deepspeed, self.cfg.trainer.deepspeed.min_loss_scale)
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
        if self._follows_us:
            apply_factor(self._optimizer, factor)

    @property
    def effective_learning_rate(self) -> float:
        """See `Engine`."""
        return self._rate

    @property
    def learning_rate(self) -> float:
        """See `Engine`."""
        self._take_over()
        return peak(self._optimizer) if self._follows_us else self.cfg.hyperparameters.learning_rate

    def set_learning_rate(self, learning_rate: float) -> None:
        """See `Engine`."""
        self._take_over()
        if self._follows_us:
            set_peak(self._optimizer, learning_rate)
        else:
            log.warning("The learning rate stays: the schedule is DeepSpeed's (hyperparameters.torch_scheduler=false)")

    def weights(self) -> dict[str, Tensor]:
        """See `Engine`."""
        self._take_over()
        whole = self.model.state_dict() if self.stage < 3 else dict(self.model.named_buffers())
        kept = copied(whole.items()) if self.ranks.first else {}
        for name, tensor in self._zero.weights() if self._zero else ():
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
        restore_schedule(self.deepspeed.lr_scheduler, counters.get("scheduler", {}))
        restore_loss_scale(self._optimizer, counters.get("loss_scale", {}))

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
            return LossOutput(*self.deepspeed(batch.inputs, skipped, self.early_exits())), None
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
    def _follows_us(self) -> bool:
        """Whether the learning rate is ours to set, not that of a schedule of DeepSpeed's."""
        return self.deepspeed.lr_scheduler is None

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
        scheduler = {} if self._follows_us else self.deepspeed.lr_scheduler.state_dict()
        return {"scheduler": scheduler, "loss_scale": loss_scale(self._optimizer)}
