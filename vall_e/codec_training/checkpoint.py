"""The state of a codec's training as a checkpoint, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vall_e.audio.builtin.weights import BEFORE_EXPANSION, load_codec, write_codec
from vall_e.engines.checkpoint import load_states, save_checkpoint
from vall_e.engines.optimizer_state import PREFIX, join_state, split_state
from vall_e.engines.snapshot import Snapshot, averages, copied
from vall_e.errors import CheckpointError

from .engine import CodecEngine
from .state import CODEC, DISCRIMINATORS, changing_tensors, start_codebooks, take_tensors
from .widening import widened

OPTIMIZER, OPPONENT = "optimizer", "discriminators_optimizer"
"""Names, among the counters, of what optimizers keep beside tensors."""


def take_snapshot(engine: CodecEngine) -> Snapshot:
    """Everything that a run goes on from, copied; `weights` are those of the exported codec."""
    tensors = dict(changing_tensors(engine.codec, CODEC))
    optimizer, rest = split_state(engine.optimizer, _names(engine.codec, CODEC))
    counters: dict[str, Any] = {
        "step": engine.global_step,
        "nonfinite": engine.nonfinite,
        "learning_rate": engine.learning_rate,
        "told_learning_rate": engine.cfg.learning_rate,
        "shape": asdict(engine.codec.shape),
        OPTIMIZER: rest,
    }
    if (adversary := engine.adversary) is not None:
        tensors |= dict(changing_tensors(adversary.discriminators, DISCRIMINATORS))
        own, counters[OPPONENT] = split_state(adversary.optimizer, _names(adversary.discriminators, DISCRIMINATORS))
        optimizer |= own
    average = copied(engine.average.tensors.items()) if engine.average is not None else {}
    return Snapshot(engine.weights(), optimizer | copied(tensors.items()), average, counters=counters)


def write_snapshot(snapshot: Snapshot, engine: CodecEngine, root: Path) -> Path:
    """Write a checkpoint named by its step; may go on while training does."""
    shape = engine.codec.shape

    def weights(path: Path) -> None:
        write_codec(shape, snapshot.weights, path)

    return save_checkpoint(root, str(snapshot.counters["step"]), weights, snapshot.states, snapshot.counters)


def take_checkpoint(engine: CodecEngine, folder: Path) -> None:
    """Go on from a checkpoint; CheckpointError if it is of a codec, discriminators or optimizers of other settings.

    A checkpoint of a run without discriminators starts new ones. A learning rate that was set while the run went on
    stays, unless the setting has changed since.
    """
    states, counters = load_states(folder)
    try:
        _take(engine, states, counters)
    except (CheckpointError, KeyError) as error:
        raise CheckpointError(
            f"{folder} cannot be resumed: {str(error).partition(': trainer.')[0]}; set back what has changed, "
            "or give this run a folder of its own with out=PATH and begin with weights=CODEC"
        ) from error


def _take(engine: CodecEngine, states: dict[str, Tensor], counters: dict[str, Any]) -> None:
    shape = BEFORE_EXPANSION | counters["shape"]
    if shape != asdict(engine.codec.shape):
        raise CheckpointError(f"the codec in it has the sizes {shape}")
    take_tensors(engine.codec, CODEC, states)
    join_state(engine.optimizer, _names(engine.codec, CODEC), _of(states, CODEC), counters[OPTIMIZER])
    if engine.average is not None:
        engine.average.load(averages(states))
    if (adversary := engine.adversary) is not None and OPPONENT in counters:
        take_tensors(adversary.discriminators, DISCRIMINATORS, states)
        names = _names(adversary.discriminators, DISCRIMINATORS)
        join_state(adversary.optimizer, names, _of(states, DISCRIMINATORS), counters[OPPONENT])
    engine.global_step, engine.nonfinite = counters["step"], counters["nonfinite"]
    if engine.cfg.learning_rate == counters["told_learning_rate"] and engine.learning_rate != counters["learning_rate"]:
        engine.set_learning_rate(counters["learning_rate"])


def start_from(engine: CodecEngine, weights: Path) -> None:
    """Begin with an exported codec, of sizes that the engine's were taken from; AudioError if it is none."""
    own = engine.codec
    own.load_state_dict(widened(load_codec(weights, setting="weights").state_dict(), own.state_dict()))
    start_codebooks(own)
    if engine.average is not None:
        engine.average.load({})


def _names(module: nn.Module, prefix: str) -> dict[int, str]:
    return {id(parameter): prefix + name for name, parameter in module.named_parameters()}


def _of(states: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The optimizer's tensors of one of the two."""
    return {name: tensor for name, tensor in states.items() if name.startswith(PREFIX + prefix)}
