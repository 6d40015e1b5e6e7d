"""The local engine: plain torch, on one device or with a copy of the model on every rank."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from vall_e.audio.codec import CodecIdentity
from vall_e.config.hub import weights_path
from vall_e.config.schema import Config
from vall_e.errors import MemoryExhausted
from vall_e.models.distillation import Distillation, load_teacher
from vall_e.models.layout import ModelInput
from vall_e.models.lora.attach import attach, freeze_base, trained_adapters
from vall_e.models.lora.loading import load_adapter
from vall_e.models.lora.tensors import adapter_state_dict, base_names, base_state_dict
from vall_e.models.loss import LossOutput
from vall_e.models.vall_e import VallE
from vall_e.optim.learning_rate import apply_factor, effective, peak, set_peak
from vall_e.optim.moving_average import MovingAverage
from vall_e.optim.offloading import offload_as_told
from vall_e.optim.optimizers import build_optimizer
from vall_e.optim.schedule_free import averaged, keeps_average
from vall_e.precision import DTYPES
from vall_e.text import Tokenizer

from .adapter_state import adapter_tensors
from .descent import descend
from .engine import Engine
from .gradient_buffer import GradientBuffer
from .memory import advice, is_out_of_memory, sizes
from .micro_batch import MicroBatch
from .optimizer_state import join_state, split_state
from .ranks import ALONE, Ranks
from .snapshot import Snapshot, averages, copied
from .step_stats import StatsCollector, StepStats

log = logging.getLogger(__name__)

Objective = Callable[[VallE, Sequence[ModelInput], frozenset[int], Mapping[int, float]], LossOutput]


def loss_of(
    model: VallE, inputs: Sequence[ModelInput], skipped: frozenset[int], exits: Mapping[int, float]
) -> LossOutput:
    """The model's own loss."""
    output: LossOutput = model(inputs, skipped, exits)
    return output


class LocalEngine(Engine):
    """Gradients are accumulated on each rank and averaged once a step, when all ranks have theirs.

    So ranks can agree, before any gradient is mixed, that one ran out of memory and that all do the step again in
    smaller pieces.
    """

    def __init__(self, cfg: Config, tokenizer: Tokenizer, codec: CodecIdentity, ranks: Ranks = ALONE) -> None:
        super().__init__(cfg, tokenizer, codec, ranks)
        torch.manual_seed(cfg.seed)
        self.dtype = DTYPES[cfg.trainer.weight_dtype]
        self.model = self.build_model()
        if not cfg.model.frozen_params:
            freeze_base(self.model)
        self.objective = self._objective()
        places = base_names(dict(self.model.named_parameters()))
        frozen = [places.get(name, name) for name in cfg.model.frozen_params]
        self.optimizer = build_optimizer(self.model, cfg.hyperparameters, frozen, cfg.optimizations)
        self.gradients = GradientBuffer(self.model.parameters())
        self.scaler = GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self.average = self._moving_average()

    def build_model(self) -> VallE:
        """The model on its device, in the number format it is trained in."""
        model = self.fresh_model().to(torch.float32 if self.cfg.trainer.amp else self.dtype)
        attach(model, self.cfg.loras)
        for name, lora in self.cfg.loras.items():
            if lora.path is not None:
                load_adapter(model, name, Path(lora.path), self.tokenizer, self.codec)
        if (told := self.cfg.optimizations.model_offloading) is None:
            model.to(self.device)
        else:
            offload_as_told(model, told, self.device)
        return self.equip(model)

    def accumulate(self, micro_batches: list[MicroBatch]) -> StepStats:
        """See `Engine`; MemoryExhausted if even single samples do not fit."""
        pieces = 1
        while True:
            self.gradients.zero()
            stats, error = self._attempt(micro_batches, pieces)
            if not self.ranks.any(error is not None):
                self.gradients.average(self.ranks)
                return stats
            self._release_memory()
            if not self.ranks.any(any(pieces < len(batch.inputs) for batch in micro_batches)):
                self.gradients.zero()
                raise MemoryExhausted(advice(self.cfg, self.device, self.global_step + 1, micro_batches)) from error
            pieces *= 2
            log.warning(
                "Memory ran out on %s at step %d, in a micro-batch of %s: the step is made again in %d pieces of each",
                self.device if error is not None else "another rank",
                self.global_step + 1,
                sizes(micro_batches),
                pieces,
            )

    def update(self) -> float:
        """See `Engine`."""
        norm = descend(self.optimizer, self.gradients, self.cfg.hyperparameters.gradient_clipping, self.scaler)
        if np.isfinite(norm) and self.average is not None:
            self.average.update()
        return norm

    def follow_schedule(self, factor: float) -> None:
        """See `Engine`."""
        apply_factor(self.optimizer, factor)

    @property
    def effective_learning_rate(self) -> float:
        """See `Engine`."""
        return effective(self.optimizer)

    @property
    def learning_rate(self) -> float:
        """See `Engine`."""
        return peak(self.optimizer)

    def set_learning_rate(self, learning_rate: float) -> None:
        """See `Engine`."""
        set_peak(self.optimizer, learning_rate)

    def snapshot(self, positions: dict[str, Any]) -> Snapshot:
        """See `Engine`."""
        if not self.ranks.first:
            return Snapshot({})
        tensors, rest = split_state(self.optimizer, self.names)
        return Snapshot(
            weights=copied(base_state_dict(self.model).items()),
            adapters=copied(adapter_tensors(self.model)),
            optimizer=tensors,
            average=self._average_alone(),
            counters=self.counters(positions) | {"optimizer": rest, "scaler": self.scaler.state_dict()},
        )

    def restore(self, states: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """See `Engine`."""
        join_state(self.optimizer, self.names, states, counters["optimizer"])
        if counters["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(counters["scaler"])
        if self.average is not None:
            self.average.load(averages(states))

    def weights(self) -> dict[str, Tensor]:
        """See `Engine`."""
        with self.speaking() as model:
            return copied(base_state_dict(model).items()) if self.ranks.first else {}

    def adapters(self) -> dict[str, dict[str, Tensor]]:
        """See `Engine`."""
        with self.speaking() as model:
            trained = trained_adapters(model) if self.ranks.first else []
            return {one.name: copied(adapter_state_dict(model, one.name).items()) for one in trained}

    @contextmanager
    def speaking(self) -> Iterator[VallE]:
        """See `Engine`."""
        with averaged(self.optimizer), self.average.in_force() if self.average else nullcontext():
            yield self.model

    def _average_alone(self) -> dict[str, Tensor]:
        """What the trained parameters are to be when the model speaks, if not what they are."""
        if self.average is not None:
            return copied(self.average.tensors.items())
        if not keeps_average(self.optimizer):
            return {}
        with averaged(self.optimizer):
            return copied((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def _attempt(self, micro_batches: list[MicroBatch], pieces: int) -> tuple[StepStats, BaseException | None]:
        """Forward and backward of everything, each micro-batch in `pieces`; an error says that memory ran out."""
        collector, skipped, exits = StatsCollector(), self.skipped_layers(), self.early_exits()
        try:
            for whole in micro_batches:
                self.collect_garbage_within()
                for batch in whole.split(pieces):
                    collector.add(self._backward(batch, skipped, exits), batch.share, len(batch.inputs))
            return collector.collected(), None
        except (RuntimeError, MemoryError) as error:
            if not (self.cfg.trainer.check_for_oom and is_out_of_memory(error)):
                raise
            return StepStats(), error.with_traceback(None)  # which would keep the activations

    def _backward(self, batch: MicroBatch, skipped: frozenset[int], exits: Mapping[int, float]) -> LossOutput:
        torch.manual_seed(batch.seed)
        with torch.autocast(self.device.type, self.dtype, enabled=self.cfg.trainer.amp):
            output = self.objective(self.model, batch.inputs, skipped, exits)
        self.scaler.scale(output.loss * batch.share).backward()  # type: ignore[no-untyped-call]
        return output

    def _release_memory(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _objective(self) -> Objective:
        if self.cfg.teacher is None:
            return loss_of
        teacher = load_teacher(
            weights_path(self.cfg.teacher, "teacher"), self.model, self.tokenizer, self.codec, self.device
        )
        return Distillation(teacher, self.cfg.hyperparameters)

    def _moving_average(self) -> MovingAverage | None:
        decay = self.cfg.trainer.ema_decay
        trained = ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)
        return MovingAverage(trained, decay) if decay else None
