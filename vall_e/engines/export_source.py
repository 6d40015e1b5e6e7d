"""What is exported: weights, and the adapters that speak with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vall_e.config.export import ExportConfig
from vall_e.config.hub import weights_path
from vall_e.errors import CheckpointError, ConfigError
from vall_e.models.lora.tensors import base_state_dict
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import WeightsContent, read_weights

from .adapted_model import with_adapters_of_files, with_own_adapters
from .checkpoint import WEIGHTS, checkpoints, damage, find_checkpoint, load_counters, load_part
from .snapshot import AVERAGE, averages


@dataclass(frozen=True, kw_only=True)
class Source:
    """Weights of a plain model; the model with its adapters, if it has any.

    adapters_alone: the weights themselves are those that the adapters were trained on; folder: where what is exported
    lies by itself, of adapters the one in which each has a folder.
    """

    content: WeightsContent
    adapted: VallE | None = None
    adapters_alone: bool = False
    folder: Path
    adapters_folder: Path


def find_origin(cfg: ExportConfig) -> Path:
    """The checkpoint folder, or the weights file or folder, to export."""
    if cfg.weights is not None:
        return weights_path(cfg.weights)
    if cfg.run is None:
        raise ConfigError("nothing to export: give run=FOLDER of a training run, or weights=FILE")
    root = _model_folder(Path(cfg.run) / "ckpt", cfg)
    if cfg.tag is not None:
        folder = root / cfg.tag
        if problem := damage(folder) if folder.is_dir() else "no such folder":
            raise CheckpointError(f"tag={cfg.tag}: {folder} cannot be exported ({problem})")
        return folder
    if (found := find_checkpoint(root, None)) is None:
        raise CheckpointError(f"run={cfg.run} has no checkpoint in {root}")
    return found


def _model_folder(folder: Path, cfg: ExportConfig) -> Path:
    names = sorted(path.name for path in folder.iterdir() if checkpoints(path)) if folder.is_dir() else []
    if not names:
        raise CheckpointError(f"run={cfg.run} has no checkpoints in {folder}")
    if cfg.model_name is None and len(names) > 1:
        raise ConfigError(
            f"run={cfg.run} has checkpoints of {len(names)} models: choose one, model_name={'|'.join(names)}"
        )
    if cfg.model_name is not None and cfg.model_name not in names:
        raise ConfigError(f"model_name={cfg.model_name} is not in run={cfg.run}, allowed: {', '.join(names)}")
    return folder / (cfg.model_name or names[0])


def read_source(origin: Path, cfg: ExportConfig) -> Source:
    """A checkpoint, or a weights file with the adapters that `cfg` lays beside it."""
    if cfg.weights is None:
        return read_checkpoint(origin)
    content, adapted = read_weights(origin), None
    if cfg.loras:
        adapted = with_adapters_of_files(content, origin, cfg.loras)
    here = origin.parent
    return Source(content=content, adapted=adapted, adapters_alone=True, folder=here, adapters_folder=here)


def read_checkpoint(folder: Path) -> Source:
    """The weights of a checkpoint; in place of those that it has a moving average of, that average."""
    content, counters = read_weights(folder / WEIGHTS), load_counters(folder)
    moving, settings = averages(load_part(folder, AVERAGE)), counters.get("adapters", {})
    if not settings:
        content, adapted, alone = replace(content, tensors=content.tensors | moving), None, False
    else:
        adapted = with_own_adapters(content, folder, settings, moving)
        content = replace(content, tensors=base_state_dict(adapted))
        alone = not counters["config"]["model"]["frozen_params"]
    here = folder.parent
    return Source(content=content, adapted=adapted, adapters_alone=alone, folder=here, adapters_folder=here.parent)
