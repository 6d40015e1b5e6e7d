"""What every engine does: draw micro-batches, make optimizer steps of them, keep and restore their state."""

from __future__ import annotations

import gc
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.config.trainer import CollectGarbage
from vall_e.data.sample import Sample
from vall_e.device import choose_device
from vall_e.errors import CheckpointError, VallEError
from vall_e.models.checkpointing import Checkpointing
from vall_e.models.draws import draw_skipped_layers
from vall_e.models.fit import some
from vall_e.models.lora.file import save_adapter
from vall_e.models.lora.loading import load_adapter
from vall_e.models.swapping import swap_modules
from vall_e.models.vall_e import VallE
from vall_e.models.weights import save_weights
from vall_e.optim.moving_average import MovingAverage
from vall_e.optim.schedules import learning_rate_factor
from vall_e.text import Tokenizer

from .adapter_state import take_adapters
from .checkpoint import WEIGHTS, load_states, save_checkpoint
from .micro_batch import MicroBatch, draw_micro_batch
from .origin import take_checkpoint, take_weights
from .ranks import ALONE, Ranks
from .snapshot import Snapshot
from .step_stats import StepStats, merged

log = logging.getLogger(__name__)

RATE_SETTINGS = ("optimizer", "optimizer_params", "learning_rate")
"""Settings that decide the peak learning rate."""

NONFINITE_LIMIT = 50
"""Steps with a non-finite gradient in a row after which the run stops."""


class Engine(ABC):
    """Owns model, optimizer and counters on each rank; `step` makes one optimizer step of several micro-batches.

    Everything random follows from seed, step and the number of the micro-batch among those of all ranks. So a run
    goes on exactly from weights, optimizer and counters, and the same batches give the same step on any number of
    ranks.
    """

    model: VallE
    average: MovingAverage | None = None
    """Of the weights, if one is kept."""
    whole = True
    """Whether every rank has the whole state, so that one alone can save it."""

    def __init__(self, cfg: Config, tokenizer: Tokenizer, codec: CodecIdentity, ranks: Ranks = ALONE) -> None:
        self.cfg, self.tokenizer, self.codec, self.ranks = cfg, tokenizer, codec, ranks
        self.device = choose_device(cfg.device, ranks.local_rank)
        self.global_step = self.samples = self.tokens = 0
        self.nonfinite = 0

    def step(self, micro_batches: Sequence[Sequence[Sample]]) -> dict[str, float]:
        """One optimizer step of this rank's micro-batches; returns what is to be logged, means over all ranks."""
        began = time.perf_counter()
        self._collect_garbage(CollectGarbage.step)
        self.model.train()
        self.follow_schedule(learning_rate_factor(self.global_step, self.cfg.hyperparameters, self._iterations))
        stats = merged(self.ranks.gather(self.accumulate(self._draw(micro_batches))))
        grad_norm = self.update()
        self._count_nonfinite(grad_norm)
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
        return swap_modules(VallE(self.cfg.model), self.cfg.optimizations, self.device)

    def equip(self, model: VallE) -> VallE:
        """The model, its layers told which of them run again in the backward pass and how they are compiled."""
        told = self.cfg.optimizations
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

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """The peak learning rate in force, with Prodigy its factor `d_coef`."""

    @abstractmethod
    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the peak learning rate, with Prodigy its factor `d_coef`, from the next step on."""

    @abstractmethod
    def snapshot(self, positions: dict[str, Any]) -> Snapshot:
        """The state to be saved, on the first rank whole; `positions` are those of loader and validation cursor.

        Every rank has to take part.
        """

    @abstractmethod
    def restore(self, states: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Put optimizer, loss scale and moving average back."""

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """The weights to be exported, in main memory; empty on all ranks but the first, yet all have to take part."""

    def adapters(self) -> dict[str, dict[str, Tensor]]:
        """The tensors of each adapter in training, as `weights`; empty for an engine that trains none."""
        return {}

    @abstractmethod
    def speaking(self) -> AbstractContextManager[VallE]:
        """Inside the block the first rank can generate with the model, whole and with the weights to be exported.

        Every rank has to take part.
        """

    def load(self, folder: Path) -> dict[str, Any]:
        """Restore a checkpoint; returns the positions saved with it, empty if the weights alone were wanted.

        A learning rate that was set while the run went on stays, unless the settings have changed since.
        CheckpointError if the checkpoint is of another model, codec, tokenizer or optimizer.
        """
        trainer = self.cfg.trainer
        changed = take_checkpoint(self.model, self.tokenizer, self.codec, folder / WEIGHTS, **self._fitting())
        take_adapters(self.model, folder)
        self._average_anew()
        if trainer.load_module_only:
            return {}
        tensors, counters = load_states(folder)
        if trainer.load_states:
            self._check_sizes(changed)
            self.restore(tensors, counters)
            self._keep_live_learning_rate(counters)
        if not trainer.restart_step_count:
            self.global_step, self.samples, self.tokens = (counters[k] for k in ("step", "samples", "tokens"))
            self.nonfinite = counters["nonfinite"]
        positions: dict[str, Any] = counters["positions"]
        return positions

    def start_from(self, weights: Path) -> None:
        """Begin with the weights of another run; WeightsError if they do not fit model, codec or tokenizer."""
        take_weights(self.model, self.tokenizer, self.codec, weights, **self._fitting())
        self._average_anew()

    def start_adapter_from(self, name: str, path: Path) -> None:
        """Begin with an adapter of another run; WeightsError if it does not fit."""
        load_adapter(self.model, name, path, self.tokenizer, self.codec)
        self._average_anew()

    def write(self, snapshot: Snapshot, root: Path, tag: str) -> Path:
        """Write a checkpoint; needs no rank but this one, and may go on while training does."""

        def weights(path: Path) -> None:
            self.write_weights(path, snapshot.weights, snapshot.counters["step"])

        return save_checkpoint(root, tag, weights, snapshot.states, snapshot.counters)

    def write_weights(self, path: Path, tensors: dict[str, Tensor], step: int) -> None:
        """Write weights with model settings, tokenizer and codec identity."""
        told = self.cfg.optimizations
        bitnet = told.swapped_part if told.swapped_modules == "bitnet" else ""
        save_weights(path, tensors, self.cfg.model, self.tokenizer, self.codec, step, bitnet)

    def counters(self, positions: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint holds beside tensors, whatever the engine."""
        return {
            "step": self.global_step,
            "samples": self.samples,
            "tokens": self.tokens,
            "nonfinite": self.nonfinite,
            "learning_rate": self.learning_rate,
            "positions": positions,
            "adapters": {name: asdict(adapter.settings) for name, adapter in self.model.adapters.items()},
            "config": jsonable(asdict(self.cfg)),
        }

    def write_adapter(self, path: Path, name: str, tensors: dict[str, Tensor], step: int) -> None:
        """Write an adapter with its settings, tokenizer and codec identity."""
        settings = self.model.adapters[name].settings
        save_adapter(path, tensors, settings, self.cfg.model, self.tokenizer, self.codec, step)

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

    def collect_garbage_within(self) -> None:
        """To be called before every micro-batch."""
        self._collect_garbage(CollectGarbage.substep)

    def _collect_garbage(self, moment: CollectGarbage) -> None:
        if self.cfg.trainer.gc_mode is moment:
            gc.collect()

    def _count_nonfinite(self, grad_norm: float) -> None:
        if np.isfinite(grad_norm):
            self.nonfinite = 0
            return
        self.nonfinite += 1
        log.warning("Step %d has a gradient of norm %s and is skipped", self.global_step + 1, grad_norm)
        if self.nonfinite >= NONFINITE_LIMIT:
            raise VallEError(f"{NONFINITE_LIMIT} steps in a row had a non-finite gradient: lower the learning rate")

    def _keep_live_learning_rate(self, counters: dict[str, Any]) -> None:
        hyper = jsonable(asdict(self.cfg.hyperparameters))
        same = all(counters["config"]["hyperparameters"].get(name) == hyper[name] for name in RATE_SETTINGS)
        if same and counters["learning_rate"] != self.learning_rate:
            self.set_learning_rate(counters["learning_rate"])

    def _check_sizes(self, changed: Sequence[str]) -> None:
        """CheckpointError if trained parameters have been cut or extended: their state has other sizes."""
        if trained := [name for name in changed if self.model.get_parameter(name).requires_grad]:
            raise CheckpointError(
                f"trainer.resize_modules=true has changed the size of {some(trained)}, so that the checkpoint's "
                "optimizer state does not fit: trainer.load_states=false leaves that state out"
            )

    def _average_anew(self) -> None:
        if self.average is not None:
            self.average.load({})

    def _fitting(self) -> dict[str, bool]:
        return {"strict": self.cfg.trainer.strict_loading, "resize": self.cfg.trainer.resize_modules}


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def jsonable(value: Any) -> Any:
    """Settings as JSON takes them: members of enumerations by name."""
    if isinstance(value, dict):
        return {key: jsonable(child) for key, child in value.items()}
    if isinstance(value, list):
        return [jsonable(child) for child in value]
    return getattr(value, "name", value)
