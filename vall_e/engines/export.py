"""Weights of a checkpoint or of a file, written in another form."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from vall_e.config.export import ExportConfig
from vall_e.config.trainer import WeightDtype
from vall_e.errors import CheckpointError, ConfigError
from vall_e.models.hugging_face import hugging_face
from vall_e.models.split_classifiers import split_classifiers
from vall_e.models.weights import WeightsContent, read_weights, save_weights
from vall_e.precision import DTYPES

from .checkpoint import STATES, WEIGHTS, damage, find_checkpoint, replace_folder, sync
from .snapshot import AVERAGE

log = logging.getLogger(__name__)


def export(cfg: ExportConfig) -> Path:
    """Write what `cfg` asks for; returns the file, or the folder.

    ConfigError if it says nothing to export or would replace it; CheckpointError or WeightsError if that is missing or
    damaged.
    """
    origin = source(cfg)
    content = converted(read_checkpoint(origin) if origin.is_dir() else read_weights(origin), cfg)
    folder = Path(cfg.folder) if cfg.folder else origin.parent
    if cfg.hf:
        written = folder / f"{cfg.weights_name}-hf"
        write_hugging_face(written, content)
    else:
        written = folder / f"{cfg.weights_name}.{cfg.weights_format}"
        if written.resolve() == origin.resolve():
            raise ConfigError(f"weights={origin} would be replaced by its export: give another weights_name or folder")
        c = content
        save_weights(written, c.tensors, c.config, c.tokenizer, c.codec, c.step, c.bitnet)
    log.info("Exported %s at step %d to %s", origin, content.step, written)
    return written


def source(cfg: ExportConfig) -> Path:
    """The checkpoint folder or the weights file to export."""
    if cfg.weights is not None:
        return Path(cfg.weights)
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
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not names:
        raise CheckpointError(f"run={cfg.run} has no checkpoints: {folder} is missing or empty")
    if cfg.model_name is None and len(names) > 1:
        raise ConfigError(
            f"run={cfg.run} has checkpoints of {len(names)} models: choose one, model_name={'|'.join(names)}"
        )
    if cfg.model_name is not None and cfg.model_name not in names:
        raise ConfigError(f"model_name={cfg.model_name} is not in run={cfg.run}, allowed: {', '.join(names)}")
    return folder / (cfg.model_name or names[0])


def read_checkpoint(folder: Path) -> WeightsContent:
    """The weights of a checkpoint; in place of those that it has a moving average of, that average."""
    content = read_weights(folder / WEIGHTS)
    return replace(content, tensors=content.tensors | _averages(folder / STATES))


def _averages(states: Path) -> dict[str, Tensor]:
    with safe_open(states, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(AVERAGE)]  # noqa: SIM118
        return {name.removeprefix(AVERAGE): file.get_tensor(name) for name in names}


def converted(content: WeightsContent, cfg: ExportConfig) -> WeightsContent:
    """The weights with the heads and the number format that `cfg` asks for."""
    if cfg.split_classifiers:
        content = split_classifiers(content)
    if cfg.dtype == "auto":
        return content
    dtype = DTYPES[WeightDtype[cfg.dtype]]
    return replace(
        content, tensors={n: t.to(dtype) if t.is_floating_point() else t for n, t in content.tensors.items()}
    )


def write_hugging_face(folder: Path, content: WeightsContent) -> None:
    """Write a folder that `transformers` reads: complete, or as it was."""
    if content.bitnet:
        raise ConfigError("hf=true has no layout for BitNet's linear layers: leave it out")
    model, partial = hugging_face(content), folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.tensors.items()}
    save_file(tensors, partial / "model.safetensors", {"format": "pt"})
    (partial / "config.json").write_text(json.dumps(model.config, indent=2), encoding="utf-8")
    (partial / "tokenizer.json").write_text(model.tokenizer, encoding="utf-8")
    for path in (*partial.iterdir(), partial):
        sync(path)
    replace_folder(partial, folder)
