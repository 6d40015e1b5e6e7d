"""Weights of a checkpoint or of a file, and the adapters that speak with them, written in another form."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from vall_e.atomic import replacing_folder
from vall_e.config.export import ExportConfig
from vall_e.config.trainer import WeightDtype
from vall_e.config.weights_format import PRETRAINED
from vall_e.errors import ConfigError
from vall_e.models.lora.attach import trained_adapters
from vall_e.models.lora.file import save_adapter
from vall_e.models.lora.tensors import adapter_state_dict, merged_state_dict
from vall_e.models.vall_e import VallE
from vall_e.models.weights.expert_copies import copy_experts
from vall_e.models.weights.hugging_face import hugging_face
from vall_e.models.weights.pretrained import save_pretrained
from vall_e.models.weights.split_classifiers import split_classifiers
from vall_e.models.weights.weights_file import WeightsContent, save_weights
from vall_e.precision import DTYPES

from .export_source import Source, find_origin, read_source

log = logging.getLogger(__name__)


def export(cfg: ExportConfig) -> list[Path]:
    """Write what `cfg` asks for; returns the files, the weights or their folder last.

    ConfigError if it says nothing to export or would replace it; CheckpointError or WeightsError if that is missing or
    damaged.
    """
    origin = find_origin(cfg)
    source = read_source(origin, cfg)
    written = write_adapters(source, cfg) if cfg.export_lora else []
    if not (cfg.export_lora and source.adapters_alone):
        written.append(write_weights(source, origin, cfg))
    for path in written:
        log.info("Exported %s at step %d to %s", origin, source.content.step, path)
    return written


def write_weights(source: Source, origin: Path, cfg: ExportConfig) -> Path:
    """Write the weights, merged with the adapters if `cfg` wants it."""
    content = source.content
    if cfg.merge_loras:
        content = replace(content, tensors=merged_state_dict(adapted_model(source, "merge_loras")))
    content, folder = converted(content, cfg), Path(cfg.folder) if cfg.folder else source.folder
    if cfg.hf:
        written = folder / f"{cfg.weights_name}-hf"
        write_hugging_face(written, content)
        return written
    is_folder = cfg.weights_format == PRETRAINED
    written = folder / (cfg.weights_name if is_folder else f"{cfg.weights_name}.{cfg.weights_format}")
    if written.resolve() == origin.resolve():
        raise ConfigError(f"weights={origin} would be replaced by its export: give another weights_name or folder")
    if is_folder:
        return save_pretrained(written, content)
    save_weights(written, **vars(content))
    return written


def write_adapters(source: Source, cfg: ExportConfig) -> list[Path]:
    """Write each adapter that was trained to `FOLDER/<its full name>/lora.<format>`."""
    model, content = adapted_model(source, "export_lora"), source.content
    adapters = trained_adapters(model)
    if not adapters:
        raise ConfigError("export_lora=true: there are adapters, but none that was trained")
    folder = Path(cfg.folder) if cfg.folder else source.adapters_folder
    paths = [folder / adapter.settings.full_name / f"lora.{cfg.weights_format}" for adapter in adapters]
    for key, lora in cfg.loras.items():
        if lora.path is not None and Path(lora.path).resolve() in {path.resolve() for path in paths}:
            raise ConfigError(f"loras.{key}.path={lora.path} would be replaced by its export: give another folder")
    for adapter, path in zip(adapters, paths, strict=True):
        tensors = cast(adapter_state_dict(model, adapter.name), cfg)
        save_adapter(path, tensors, adapter.settings, content.config, content.tokenizer, content.codec, content.step)
    return paths


def adapted_model(source: Source, setting: str) -> VallE:
    """The model with its adapters; ConfigError if there are none, as `setting` wants them."""
    if source.adapted is None:
        raise ConfigError(
            f"{setting}=true: there are no adapters; a run has them if it was started with +lora@loras.NAME=OPTION, "
            "beside weights=FILE they are named with it and loras.NAME.path=FILE"
        )
    return source.adapted


def converted(content: WeightsContent, cfg: ExportConfig) -> WeightsContent:
    """The weights with the heads, the experts and the number format that `cfg` asks for."""
    if cfg.split_classifiers:
        content = split_classifiers(content)
    if cfg.moe_ify:
        content = copy_experts(content, cfg.experts)
    return replace(content, tensors=cast(content.tensors, cfg))


def cast(tensors: Mapping[str, Tensor], cfg: ExportConfig) -> dict[str, Tensor]:
    """Tensors in the number format that `cfg` asks for."""
    if cfg.dtype == "auto":
        return dict(tensors)
    dtype = DTYPES[WeightDtype[cfg.dtype]]
    return {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}


def write_hugging_face(folder: Path, content: WeightsContent) -> None:
    """Write a folder that `transformers` reads: complete, or as it was."""
    if content.bitnet:
        raise ConfigError("hf=true has no layout for BitNet's linear layers: leave it out")
    model = hugging_face(content)
    with replacing_folder(folder) as partial:
        tensors = {name: tensor.contiguous() for name, tensor in model.tensors.items()}
        save_file(tensors, partial / "model.safetensors", {"format": "pt"})
        (partial / "config.json").write_text(json.dumps(model.config, indent=2), encoding="utf-8")
        (partial / "tokenizer.json").write_text(model.tokenizer, encoding="utf-8")
