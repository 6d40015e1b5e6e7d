"""Filling the adapters of a model from their files."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.lora import LoraConfig
from vall_e.config.setting import shown
from vall_e.errors import ConfigError, WeightsError
from vall_e.models.vall_e import VallE
from vall_e.models.weights.fit import some
from vall_e.models.weights.origin import differences
from vall_e.text import Tokenizer

from .adapter import Adapter
from .attach import attach
from .file import AdapterFile, read_adapter
from .low_rank import CHANGE
from .tensors import adapter_state_dict

log = logging.getLogger(__name__)

OF_THE_TENSORS = ("rank", "alpha", "embeddings")
"""Settings that the tensors of an adapter were trained with."""


def attach_trained(model: VallE, loras: Mapping[str, LoraConfig], tokenizer: Tokenizer, codec: CodecIdentity) -> None:
    """Give a model that shall speak its adapters, each from its file; ConfigError for one without a file."""
    attach(model, loras)
    for name, cfg in loras.items():
        if cfg.path is None:
            raise ConfigError(f"loras.{name}.path is not set: name the file of the adapter")
        load_adapter(model, name, Path(cfg.path), tokenizer, codec)


def load_adapter(model: VallE, name: str, path: Path, tokenizer: Tokenizer, codec: CodecIdentity) -> None:
    """Fill the adapter `name` from a file, whose RVQ levels hold if the settings have none.

    WeightsError if it is of another rank, strength, backbone, size, tokenizer or codec. A file that does not tell some
    of these, as others write them, is taken at the user's word.
    """
    adapter, key = model.adapters[name], f"loras.{name}.path"
    file = read_adapter(path, key)
    wrong = [*_contradictions(adapter, file, model.cfg.arch_type), *differences(file.metadata, tokenizer, codec)]
    own = adapter_state_dict(model, name)
    if wrong := wrong or list(_unfitting(own, file.tensors)):
        raise WeightsError(f"{key}={path} does not fit: {some(wrong)}")
    for tensor, value in file.tensors.items():
        own[tensor].copy_(value)
    adapter.levels = adapter.levels or [int(level) for level in file.settings.get("rvq_levels") or []]
    log.info("The adapter %s speaks at %s, from %s", name, adapter.levels or "all levels", path)


def _contradictions(adapter: Adapter, file: AdapterFile, arch_type: str) -> Iterator[str]:
    if file.arch_type is not None and file.arch_type != arch_type:
        yield f"it was trained on the backbone {file.arch_type}, the model's is {arch_type}"
    for setting in OF_THE_TENSORS:
        ours = getattr(adapter.cfg, setting)
        theirs = file.settings.get(setting, ours)
        if theirs != ours:
            yield f"it has {setting}={shown(theirs)}, set is loras.{adapter.name}.{setting}={shown(ours)}"


def _unfitting(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """What differs in names and shapes; the changes of embeddings may all be missing, as the reference saves none."""
    changed = any(name.endswith(CHANGE) for name in tensors)
    yield from (f"{name} is missing" for name in own if name not in tensors and (changed or not name.endswith(CHANGE)))
    yield from (f"{name} is foreign" for name in tensors if name not in own)
    for name, tensor in tensors.items():
        if name in own and tensor.shape != own[name].shape:
            yield f"{name} is {tuple(tensor.shape)}, the model's is {tuple(own[name].shape)}"
