"""What of an engine lies on the disk: checkpoints that a run goes on from, and weights to begin with or to export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.device import choose_device
from vall_e.errors import CheckpointError
from vall_e.models.lora.file import save_adapter
from vall_e.models.lora.loading import load_adapter
from vall_e.models.vall_e import VallE
from vall_e.models.weights.fit import some
from vall_e.models.weights.weights_file import save_weights
from vall_e.optim.moving_average import MovingAverage
from vall_e.text import Tokenizer

from .adapter_state import take_adapters
from .checkpoint import WEIGHTS, load_states, save_checkpoint
from .origin import take_checkpoint, take_weights
from .ranks import ALONE, Ranks
from .snapshot import Snapshot

RATE_SETTINGS = ("optimizer", "optimizer_params", "learning_rate")
"""Settings that decide the peak learning rate."""


class Resumable(ABC):
    """Model, optimizer and counters on each rank, which are written by the first and read by all."""

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


def jsonable(value: Any) -> Any:
    """Settings as JSON takes them: members of enumerations by name."""
    if isinstance(value, dict):
        return {key: jsonable(child) for key, child in value.items()}
    if isinstance(value, list):
        return [jsonable(child) for child in value]
    return getattr(value, "name", value)
