"""Weights published by the reference system: what their metadata says, in the terms of this one.

They name their model's settings and their tokenizer's symbols, but neither its merges nor the weights of the codec.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.codec import CODEC_FACTS, AudioBackend
from vall_e.config.generations import LATEST
from vall_e.config.migration.migration import migrate
from vall_e.config.model import ModelConfig
from vall_e.config.seal import problems
from vall_e.errors import TextError, WeightsError
from vall_e.models.heads import head_rows
from vall_e.text import IpaTokenizer, NaiveTokenizer, Tokenizer, open_tokenizer

from .content import WeightsContent
from .inferred import inferred_config, retnet_layout

TOKENIZER = "tokenizer.json"
DAC_LEVELS = CODEC_FACTS[AudioBackend.dac].levels
OLD_PREFIX = "retnet."
OF_ITS_RUN = ("training", "teacher", "path", "attention")
"""What the settings of a model say of the run that it was part of."""
UNKNOWN = ""
"""Digest of a codec whose weights are not known."""


def is_published(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata is that of the reference system, which had none at first."""
    return "vall_e" not in metadata


def published_content(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> WeightsContent:
    """The file as one of ours; WeightsError for a model that this version cannot be, or without its tokenizer."""
    config = _config(path, metadata, {_current_name(name): tensor for name, tensor in tensors.items()})
    stats: dict[str, Any] = json.loads(metadata.get("stats", "null")) or {}
    return WeightsContent(
        tensors=current_tensors(tensors, config),
        config=config,
        tokenizer=_tokenizer(path, metadata, config),
        codec=_codec(config),
        step=int(stats.get("global_step", 0)),
    )


def _config(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> ModelConfig:
    """The settings of the model; WeightsError for what this version cannot be."""
    if "config" not in metadata:
        if (inferred := inferred_config(tensors)) is None:
            raise WeightsError(f"weights={path} does not say which model it is: its metadata has no settings of one")
        return inferred
    tree = json.loads(metadata["config"])
    if not isinstance(tree, dict):
        raise WeightsError(f"weights={path} has damaged metadata: its config is no mapping")
    done = migrate({"models": [{name: value for name, value in tree.items() if name not in OF_ITS_RUN}]}, path.parent)
    config = done.config.model
    if found := [*done.report.unplaced, *done.report.unavailable, *problems(config, "model.")]:
        raise WeightsError(f"weights={path} are of a model that this version cannot be: " + "; ".join(found))
    layout = retnet_layout(tensors)
    return replace(config, experimental=replace(config.experimental, retnet_layout=layout)) if layout else config


def _tokenizer(path: Path, metadata: Mapping[str, str], config: ModelConfig) -> Tokenizer:
    """The tokenizer that has the symbols of the weights: the one beside the file, or one that ships with vall_e."""
    symbols = (json.loads(metadata.get("userdata", "null")) or {}).get("symmap")
    for tokenizer in _candidates(path, config):
        if symbols in (None, tokenizer.vocabulary):
            return tokenizer
    raise WeightsError(
        f"weights={path} read the symbols of a tokenizer that is not here: put the {TOKENIZER} that was published with "
        "them beside the file"
    )


def _codec(config: ModelConfig) -> CodecIdentity:
    """The codec that has as many levels as the model."""
    backend = AudioBackend.dac if config.resp_levels == DAC_LEVELS else AudioBackend.encodec
    facts = CODEC_FACTS[backend]
    return CodecIdentity(backend.name, facts.sample_rate, facts.frame_rate, facts.levels, facts.codebook_size, UNKNOWN)


def current_tensors(tensors: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """The tensors by today's names, without those that nothing ever read, and with those that came later.

    Heads lose the rows that early weights have for ids that can never be right: the lengths' behind the digits and the
    stop token, masked decoding's for the mask. Before 2024-06 text had as many rows as codes, of which the first were
    read.
    """
    found = {_current_name(name): tensor for name, tensor in tensors.items() if not name.startswith(unread(config))}
    rows = {f"classifiers.proj.{index}": count for index, count in enumerate(head_rows(config).values())}
    if config.version < LATEST:
        rows["text_emb"] = config.text_tokens
    for module, count in rows.items():
        for name in (f"{module}.weight", f"{module}.bias"):
            if name in found:
                found[name] = found[name][:count]
    if "sep" in found:
        found.setdefault("dropout_token", _drawn(found["sep"]))
    return found


def _drawn(like: Tensor) -> Tensor:
    """The vector of dropped codes, which weights before 2024-07-24 lack: drawn from N(0, 1), always the same."""
    return torch.randn(like.shape, generator=Generator().manual_seed(0)).to(like.dtype)


def unread(config: ModelConfig) -> tuple[str, ...]:
    """What the names of tensors begin with that were stored and never read; some backbones still have such a table."""
    has_table = config.experts > 1 or config.arch_type.lower() == "retnet-hf"
    return ("time_emb.",) if has_table else ("time_emb.", "model.embed_tokens.")


def _current_name(name: str) -> str:
    """The name of a tensor: the backbone of the oldest weights was called after its kind."""
    return f"model.{name.removeprefix(OLD_PREFIX)}" if name.startswith(OLD_PREFIX) else name


def _candidates(path: Path, config: ModelConfig) -> Iterator[Tokenizer]:
    """Those that there are, the one of the model's days first."""
    beside = path.parent / TOKENIZER
    if beside.is_file():
        try:
            yield IpaTokenizer(beside)
        except TextError as error:
            raise WeightsError(f"weights={path} need the tokenizer beside them: {error}") from error
    shipped = [open_tokenizer(None, None), NaiveTokenizer()]
    yield from shipped if config.version == LATEST else reversed(shipped)
