"""What every engine does: draw micro-batches and make optimizer steps of them."""

from __future__ import annotations

import gc
import logging
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from vall_e.config.trainer import CollectGarbage, WeightDtype
from vall_e.data.sample import Sample
from vall_e.models.backbones.checkpointing import Checkpointing
from vall_e.models.build import build_model
from vall_e.models.draws import draw_skipped_layers
from vall_e.models.layerskip import exit_weights
from vall_e.models.swapping import swap_modules
from vall_e.models.vall_e import VallE
from vall_e.optim.schedules import learning_rate_factor

from .descent import nonfinite_in_a_row
from .micro_batch import MicroBatch, draw_micro_batch
from .resumable import Resumable
from .step_stats import StepStats, merged

log = logging.getLogger(__name__)


class Engine(Resumable):
    """Owns model, optimizer and counters on each rank; `step` makes one optimizer step of several micro-batches.

    Everything random follows from seed, step and the number of the micro-batch among those of all ranks. So a run
    goes on exactly from weights, optimizer and counters, and the same batches give the same step on any number of
    ranks.
    """

    def step(self, micro_batches: Sequence[Sequence[Sample]]) -> dict[str, float]:
        """One optimizer step of this rank's micro-batches; returns what is to be logged, means over all ranks."""
        began = time.perf_counter()
        self._collect_garbage(CollectGarbage.step)
        self.model.train()
        self.follow_schedule(learning_rate_factor(self.global_step, self.cfg.hyperparameters, self._iterations))
        stats = merged(self.ranks.gather(self.accumulate(self._draw(micro_batches))))
        grad_norm = self.update()
        self.nonfinite = nonfinite_in_a_row(self.nonfinite, grad_norm, self.global_step + 1)
        self.global_step += 1
        self.samples += stats.samples
        self.tokens += stats.positions
        seconds = time.perf_counter() - began
        return stats.means() | {
            "grad_norm": grad_norm,
            "lr": self.effective_learning_rate,
            "tokens_per_second": stats.positions / seconds,
        }

    def fresh_model(self) -> VallE:
        """The model with weights drawn anew, its modules swapped as told."""
        return swap_modules(build_model(self.cfg.model), self.cfg.optimizations, self.device)

    def equip(self, model: VallE) -> VallE:
        """The model, its layers told which of them run again in the backward pass and how they are compiled."""
        told = self.cfg.optimizations
        self._warn_of_float16()
        model.model.checkpointing = Checkpointing.chosen_by(self.cfg.trainer, told)
        if told.compile:
            model.model.compile_mlps("inductor" if told.compile is True else told.compile)
        return model

    @abstractmethod
    def accumulate(self, micro_batches: list[MicroBatch]) -> StepStats:
        """Gradients of the micro-batches, averaged over ranks; the numbers of this rank's."""

    @abstractmethod
    def update(self) -> float:
        """Clip, step and clear the gradients; returns their norm before clipping. What is not finite is skipped."""

    @abstractmethod
    def follow_schedule(self, factor: float) -> None:
        """Set the learning rate of the coming step to `factor` of the peak."""

    @property
    @abstractmethod
    def effective_learning_rate(self) -> float:
        """What the last step was made with."""

    @abstractmethod
    def speaking(self) -> AbstractContextManager[VallE]:
        """Inside the block the first rank can generate with the model, whole and with the weights to be exported.

        Every rank has to take part.
        """

    def parameter_counts(self) -> tuple[int, int]:
        """How many numbers the model has, and how many of them are trained."""
        # ZeRO's third stage leaves parameters empty and keeps their size beside them.
        counts = [(getattr(p, "ds_numel", p.numel()), p.requires_grad) for p in self.model.parameters()]
        return sum(count for count, _ in counts), sum(count for count, trained in counts if trained)

    @property
    def names(self) -> dict[int, str]:
        """Names of the model's parameters by their id()."""
        return {id(parameter): name for name, parameter in self.model.named_parameters()}

    @property
    def _iterations(self) -> int:
        return self.cfg.trainer.iterations

    def _draw(self, micro_batches: Sequence[Sequence[Sample]]) -> list[MicroBatch]:
        share, ranks = 1 / len(micro_batches), self.ranks
        seeds = [(self.cfg.seed, self.global_step, n * ranks.size + ranks.rank) for n in range(len(micro_batches))]
        return [
            draw_micro_batch(self.cfg.model, batch, share, seed)
            for batch, seed in zip(micro_batches, seeds, strict=True)
        ]

    def skipped_layers(self) -> frozenset[int]:
        """Layers that the coming step leaves out: the same for all its micro-batches, on all ranks."""
        generator = torch.Generator().manual_seed(_seed(self.cfg.seed, self.global_step))
        return draw_skipped_layers(self.model.model.skip_chances, generator)

    def early_exits(self) -> Mapping[int, float]:
        """Weights of the exits that the coming step trains, by layer: the same for all micro-batches, on all ranks."""
        flags, layers = self.cfg.model.experimental, len(self.model.model.stack)
        if not flags.layerskip:
            return {}
        return exit_weights(self.global_step, layers, flags.layerskip_r, flags.layerskip_e_scale)

    def collect_garbage_within(self) -> None:
        """To be called before every micro-batch."""
        self._collect_garbage(CollectGarbage.substep)

    def _warn_of_float16(self) -> None:
        float16 = self.cfg.trainer.weight_dtype is WeightDtype.float16
        if self.cfg.model.experimental.layerskip and float16 and self.ranks.first:
            log.warning(
                "model.experimental.layerskip=true with trainer.weight_dtype=float16: the loss scale is known to "
                "collapse, watch grad_norm or take bfloat16"
            )

    def _collect_garbage(self, moment: CollectGarbage) -> None:
        if self.cfg.trainer.gc_mode is moment:
            gc.collect()


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
