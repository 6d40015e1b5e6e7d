"""Weights files: safetensors that carry the settings of their model, their tokenizer and their codec.

The metadata is data: it is parsed into dataclasses, nothing in it names code. Its keys `config`, `stats` and
`userdata` are those of the published weights; `vall_e` holds what these lack.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.seal import problems, unavailable
from vall_e.errors import WeightsError
from vall_e.text import IpaTokenizer, NaiveTokenizer, Tokenizer

from .fit import fit
from .vall_e import VallE

FORMAT = 1


@dataclass(frozen=True)
class LoadedWeights:
    """A model in eval mode with everything that is needed to speak with it."""

    model: VallE
    config: ModelConfig
    tokenizer: Tokenizer
    codec: CodecIdentity
    step: int


def save_weights(
    path: Path, tensors: dict[str, Tensor], config: ModelConfig, tokenizer: Tokenizer, codec: CodecIdentity, step: int
) -> None:
    """Write a weights file atomically."""
    metadata = {
        "config": json.dumps(asdict(config)),
        "stats": json.dumps({"global_step": step}),
        "userdata": json.dumps({"symmap": tokenizer.vocabulary}, ensure_ascii=False),
        "vall_e": json.dumps(
            {"format": FORMAT, "codec": asdict(codec), "tokenizer": getattr(tokenizer, "json", None)},
            ensure_ascii=False,
        ),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_weights(path: Path, device: torch.device) -> LoadedWeights:
    """Read a weights file. WeightsError if it is missing, foreign, or does not fit the settings it carries."""
    metadata, tensors = read_tensors(path)
    if "vall_e" not in metadata or "config" not in metadata:
        raise WeightsError(f"weights={path} was not written by vall_e: its metadata has no model, tokenizer and codec")
    try:
        own = json.loads(metadata["vall_e"])
        config = parse_model_config(json.loads(metadata["config"]), path)
        codec = CodecIdentity(**own["codec"])
        step = int(json.loads(metadata["stats"])["global_step"])
        tokenizer = IpaTokenizer(path, own["tokenizer"]) if own["tokenizer"] else NaiveTokenizer()
    except WeightsError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"weights={path} has damaged metadata: {error}") from error
    model = VallE(config)
    fit(model, tensors, path)
    return LoadedWeights(model.to(device).eval(), config, tokenizer, codec, step)


def read_tensors(path: Path, key: str = "weights") -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file, on the CPU; `key` is the setting that names the file."""
    if not path.is_file():
        raise WeightsError(f"{key}={path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{key}={path} is not a safetensors file: {error}") from error


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file, without its tensors."""
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def parse_model_config(tree: dict[str, Any], path: Path) -> ModelConfig:
    """Model settings from metadata; WeightsError for what this version does not know or allow."""
    experimental = ModelExperimentalConfig(**_known(ModelExperimentalConfig, tree["experimental"], path))
    config = ModelConfig(**(_known(ModelConfig, tree, path) | {"experimental": experimental}))
    if found := [*problems(config, "model."), *unavailable(config, "model.")]:
        raise WeightsError(f"weights={path} carries settings this version does not allow: " + "; ".join(found))
    return config


def _known(kind: type, tree: dict[str, Any], path: Path) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    if unknown := sorted(set(tree) - names):
        raise WeightsError(f"weights={path} carries the unknown setting {unknown[0]}: written by a newer version?")
    return tree
