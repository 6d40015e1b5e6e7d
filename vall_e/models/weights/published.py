"""Weights published by the reference system: what their metadata says, in the terms of this one.

They name their model's settings and their tokenizer's symbols, but neither its merges nor the weights of the codec.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.codec import CODEC_FACTS, AudioBackend
from vall_e.config.migration.migration import migrate
from vall_e.config.model import ModelConfig
from vall_e.config.seal import problems
from vall_e.errors import TextError, WeightsError
from vall_e.models.vall_e import head_rows
from vall_e.text import IpaTokenizer, NaiveTokenizer, Tokenizer, open_tokenizer

from .content import WeightsContent

TOKENIZER = "tokenizer.json"
DAC_LEVELS = CODEC_FACTS[AudioBackend.dac].levels
OLD_PREFIX = "retnet."
OF_ITS_RUN = ("training", "teacher", "path")
"""What the settings of a model say of the run that it was part of."""
UNKNOWN = ""
"""Digest of a codec whose weights are not known."""


def is_published(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata is that of the reference system."""
    return "config" in metadata and "vall_e" not in metadata


def published_content(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> WeightsContent:
    """The file as one of ours; WeightsError for a model that this version cannot be, or without its tokenizer."""
    config = _config(path, metadata)
    stats: dict[str, Any] = json.loads(metadata.get("stats", "null")) or {}
    return WeightsContent(
        tensors=current_tensors(tensors, config),
        config=config,
        tokenizer=_tokenizer(path, metadata),
        codec=_codec(config),
        step=int(stats.get("global_step", 0)),
    )


def _config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    """The settings of the model; WeightsError for what this version cannot be."""
    tree = json.loads(metadata["config"])
    if not isinstance(tree, dict):
        raise WeightsError(f"weights={path} has damaged metadata: its config is no mapping")
    done = migrate({"models": [{name: value for name, value in tree.items() if name not in OF_ITS_RUN}]}, path.parent)
    config = done.config.model
    if found := [*done.report.unplaced, *done.report.unavailable, *problems(config, "model.")]:
        raise WeightsError(f"weights={path} are of a model that this version cannot be: " + "; ".join(found))
    return config


def _tokenizer(path: Path, metadata: Mapping[str, str]) -> Tokenizer:
    """The tokenizer that has the symbols of the weights: the one beside the file, or one that ships with vall_e."""
    symbols = (json.loads(metadata.get("userdata", "null")) or {}).get("symmap")
    for tokenizer in _candidates(path):
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
    """The tensors by today's names, without those that nothing ever read.

    Heads lose the rows that early weights have for ids that can never be right: the lengths' behind the digits and the
    stop token, masked decoding's for the mask.
    """
    found = {_current_name(name): tensor for name, tensor in tensors.items() if not name.startswith(unread(config))}
    for index, rows in enumerate(head_rows(config).values()):
        for name in (f"classifiers.proj.{index}.weight", f"classifiers.proj.{index}.bias"):
            if name in found:
                found[name] = found[name][:rows]
    return found


def unread(config: ModelConfig) -> tuple[str, ...]:
    """What the names of tensors begin with that were stored and never read; some backbones still have such a table."""
    has_table = config.experts > 1 or config.arch_type.lower() == "retnet-hf"
    return ("time_emb.",) if has_table else ("time_emb.", "model.embed_tokens.")


def _current_name(name: str) -> str:
    """The name of a tensor: the backbone of the oldest weights was called after its kind."""
    return f"model.{name.removeprefix(OLD_PREFIX)}" if name.startswith(OLD_PREFIX) else name


def _candidates(path: Path) -> Iterator[Tokenizer]:
    beside = path.parent / TOKENIZER
    if beside.is_file():
        try:
            yield IpaTokenizer(beside)
        except TextError as error:
            raise WeightsError(f"weights={path} need the tokenizer beside them: {error}") from error
    yield open_tokenizer(None, None)
    yield NaiveTokenizer()
