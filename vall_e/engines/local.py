"""The local engine: plain torch on one device."""

from __future__ import annotations

import gc
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.config.trainer import CollectGarbage, WeightDtype
from vall_e.data.sample import Sample
from vall_e.device import choose_device
from vall_e.errors import VallEError
from vall_e.models.draws import draw_input
from vall_e.models.layout import ModelInput
from vall_e.models.loss import LossOutput
from vall_e.models.vall_e import VallE
from vall_e.models.weights import save_weights
from vall_e.optim.optimizers import build_optimizer
from vall_e.optim.schedules import learning_rate_factor
from vall_e.text import Tokenizer
from vall_e.text.languages import language_id

from .checkpoint import WEIGHTS, load_states, save_checkpoint
from .optimizer_state import join_state, split_state
from .origin import take_checkpoint, take_weights

log = logging.getLogger(__name__)

DTYPES = {
    WeightDtype.float32: torch.float32,
    WeightDtype.float16: torch.float16,
    WeightDtype.bfloat16: torch.bfloat16,
}

RATE_SETTINGS = ("optimizer", "optimizer_params", "learning_rate")
"""Settings that decide the peak learning rate."""

NONFINITE_LIMIT = 50
"""Steps with a non-finite gradient in a row after which the run stops."""


class LocalEngine:
    """Owns model, optimizer and counters; `step` makes one optimizer step of several micro-batches."""

    def __init__(self, cfg: Config, tokenizer: Tokenizer, codec: CodecIdentity) -> None:
        self.cfg, self.tokenizer, self.codec = cfg, tokenizer, codec
        self.device = choose_device(cfg.device)
        torch.manual_seed(cfg.seed)
        self.dtype = DTYPES[cfg.trainer.weight_dtype]
        self.model = VallE(cfg.model).to(self.device, torch.float32 if cfg.trainer.amp else self.dtype)
        self.model.model.gradient_checkpointing = cfg.trainer.gradient_checkpointing
        if cfg.optimizations.compile:
            backend = cfg.optimizations.compile
            self.model.model.compile_mlps("inductor" if backend is True else backend)
        self.optimizer = build_optimizer(self.model, cfg.hyperparameters, cfg.model.frozen_params)
        self.scaler = GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self.peak: float = self.optimizer.param_groups[0]["lr"]
        self.global_step = self.samples = self.tokens = 0
        self.nonfinite = 0

    def step(self, micro_batches: Sequence[Sequence[Sample]]) -> dict[str, float]:
        """One optimizer step; returns what is to be logged, means over the micro-batches."""
        began = time.perf_counter()
        self._collect_garbage(CollectGarbage.step)
        self.model.train()
        sums: dict[str, list[float]] = defaultdict(list)
        tokens = 0
        for number, batch in enumerate(micro_batches):
            self._collect_garbage(CollectGarbage.substep)
            output = self._backward(self._inputs(batch, number), 1 / len(micro_batches))
            tokens += int(output.stats.pop("positions"))
            sums["loss"].append(float(output.loss.detach()))
            for name, value in {**output.parts, **output.stats}.items():
                sums[name].append(float(value.detach()))
        self._follow_schedule()
        grad_norm = self._update()
        self.global_step += 1
        self.samples += sum(map(len, micro_batches))
        self.tokens += tokens
        seconds = time.perf_counter() - began
        stats = {name: sum(values) / len(values) for name, values in sums.items()}
        return stats | {
            "grad_norm": grad_norm,
            "lr": self._effective_learning_rate(),
            "tokens_per_second": tokens / seconds,
        }

    @property
    def learning_rate(self) -> float:
        """The peak learning rate in force, with Prodigy its factor `d_coef`."""
        return float(self.optimizer.param_groups[0].get("d_coef", self.peak))

    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the peak learning rate, with Prodigy its factor `d_coef`, from the next step on."""
        for group in self.optimizer.param_groups:
            if "d_coef" in group:
                group["d_coef"] = learning_rate
            else:
                self.peak = learning_rate

    def save(self, root: Path, tag: str, positions: dict[str, Any]) -> Path:
        """Write a checkpoint; `positions` are the states of loader and validation cursor."""
        tensors, groups = split_state(self.optimizer)
        counters = {
            "step": self.global_step,
            "samples": self.samples,
            "tokens": self.tokens,
            "learning_rate": self.learning_rate,
            "optimizer": groups,
            "scaler": self.scaler.state_dict(),
            "positions": positions,
            "config": _jsonable(asdict(self.cfg)),
        }
        return save_checkpoint(root, tag, self.export, tensors | random_states(self.device), counters)

    def load(self, folder: Path) -> dict[str, Any]:
        """Restore a checkpoint; returns the positions saved with it, empty if the weights alone were wanted.

        A learning rate that was set while the run went on stays, unless the settings have changed since.
        CheckpointError if the checkpoint is of another model, codec, tokenizer or optimizer.
        """
        trainer = self.cfg.trainer
        take_checkpoint(self.model, self.tokenizer, self.codec, folder / WEIGHTS, **self._fitting())
        if trainer.load_module_only:
            return {}
        tensors, counters = load_states(folder)
        if trainer.load_states:
            self._restore_optimizer(tensors, counters)
            restore_random_states(tensors, self.device)
        if not trainer.restart_step_count:
            self.global_step, self.samples, self.tokens = (counters[k] for k in ("step", "samples", "tokens"))
        positions: dict[str, Any] = counters["positions"]
        return positions

    def _restore_optimizer(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        join_state(self.optimizer, tensors, counters["optimizer"])
        if counters["scaler"]:
            self.scaler.load_state_dict(counters["scaler"])
        hyper = _jsonable(asdict(self.cfg.hyperparameters))
        if all(counters["config"]["hyperparameters"].get(name) == hyper[name] for name in RATE_SETTINGS):
            self.set_learning_rate(counters["learning_rate"])

    def _fitting(self) -> dict[str, bool]:
        return {"strict": self.cfg.trainer.strict_loading, "resize": self.cfg.trainer.resize_modules}

    def start_from(self, weights: Path) -> None:
        """Begin with the weights of another run; WeightsError if they do not fit model, codec or tokenizer."""
        take_weights(self.model, self.tokenizer, self.codec, weights, **self._fitting())

    def export(self, path: Path) -> None:
        """Write the weights with model settings, tokenizer and codec identity."""
        state = self.model.state_dict()
        save_weights(path, state, self.cfg.model, self.tokenizer, self.codec, self.global_step)

    def _collect_garbage(self, moment: CollectGarbage) -> None:
        if self.cfg.trainer.gc_mode is moment:
            gc.collect()

    def _inputs(self, batch: Sequence[Sample], number: int) -> list[ModelInput]:
        seed = np.random.SeedSequence((self.cfg.seed, self.global_step, number)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        return [
            draw_input(
                self.cfg.model,
                torch.from_numpy(sample.tokens),
                torch.from_numpy(sample.prompt),
                torch.from_numpy(sample.response),
                language_id(sample.language),
                generator,
            )
            for sample in batch
        ]

    def _backward(self, inputs: list[ModelInput], share: float) -> LossOutput:
        with torch.autocast(self.device.type, self.dtype, enabled=self.cfg.trainer.amp):
            output: LossOutput = self.model(inputs)
        self.scaler.scale(output.loss * share).backward()  # type: ignore[no-untyped-call]
        return output

    def _follow_schedule(self) -> None:
        factor = learning_rate_factor(self.global_step, self.cfg.hyperparameters, self.cfg.trainer.iterations)
        for group in self.optimizer.param_groups:
            group["lr"] = self.peak * factor

    def _effective_learning_rate(self) -> float:
        group = self.optimizer.param_groups[0]
        return float(group["lr"] * group.get("d", 1.0))  # d: the step size that Prodigy has found

    def _update(self) -> float:
        """Clip, step and clear the gradients; returns their norm before clipping. A non-finite gradient is skipped."""
        self.scaler.unscale_(self.optimizer)
        limit = self.cfg.hyperparameters.gradient_clipping or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit))
        if np.isfinite(norm) or self.scaler.is_enabled():
            self.scaler.step(self.optimizer)
            self.nonfinite = 0 if np.isfinite(norm) else self.nonfinite + 1
        else:
            self.nonfinite += 1
            log.warning("Step %d has a gradient of norm %s and is skipped", self.global_step + 1, norm)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.nonfinite >= NONFINITE_LIMIT:
            raise VallEError(f"{NONFINITE_LIMIT} steps in a row had a non-finite gradient: lower the learning rate")
        return norm


def random_states(device: torch.device) -> dict[str, Tensor]:
    """States of torch's generators, by name."""
    states = {"random.cpu": torch.get_rng_state()}
    return states | ({"random.cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def restore_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Put back what `random_states` took."""
    torch.set_rng_state(states["random.cpu"])
    if device.type == "cuda" and "random.cuda" in states:
        torch.cuda.set_rng_state(states["random.cuda"], device)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_jsonable(child) for child in value]
    return getattr(value, "name", value)
