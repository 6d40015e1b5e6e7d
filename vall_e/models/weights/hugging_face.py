"""A model in the layout of Hugging Face's `LlamaForCausalLM`: one table of tokens, LLaMA layers, one head.

Tokens are those of all embeddings, one range after another. What an embedding sums, a sequence of tokens cannot say:
it begins at RVQ level 0 as here, with the token `<sep>` between segments and positions that the caller gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vall_e.config.generations import LATEST
from vall_e.config.model import ModelConfig
from vall_e.errors import ConfigError
from vall_e.models.backbones.llama import EPSILON, ROPE_BASE
from vall_e.models.embeddings import response_tables
from vall_e.models.heads import ONE_TABLE, SINGLE, head_rows, head_tensors
from vall_e.models.tokens import LENGTH_TOKENS, TASK_IDS, TEXT_BOS, TEXT_EOS
from vall_e.models.vocabulary import SEPARATOR
from vall_e.text import IpaTokenizer
from vall_e.text.languages import LANGUAGE_IDS

from .split_classifiers import split_classifiers
from .weights_file import WeightsContent

NEVER = -1e4
"""Bias of tokens that no head predicts; float16 holds it."""
LONGEST = 75 * 60 * 5  # positions of five minutes at 75 frames per second


@dataclass(frozen=True)
class TokenRange:
    """Tokens of one embedding table, by name, and the head that predicts them, if there is one."""

    tokens: list[str]
    table: str
    head: str | None = None


@dataclass(frozen=True)
class HuggingFaceModel:
    """The content of `model.safetensors`, `config.json` and `tokenizer.json`."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    tokenizer: str


def hugging_face(content: WeightsContent) -> HuggingFaceModel:
    """The model in that layout; ConfigError if its backbone is another, or its tokenizer has no tokenizer.json."""
    tokenizer, cfg = content.tokenizer, content.config
    if not isinstance(tokenizer, IpaTokenizer):
        raise ConfigError("hf=true needs weights with a tokenizer.json, and these have the naive tokenizer")
    if cfg.arch_type != "llama" or cfg.experts > 1:
        raise ConfigError(f"hf=true writes LLaMA layers, and these weights are of {cfg.full_name}")
    if cfg.version != LATEST:
        raise ConfigError(f"hf=true writes models of version {LATEST}, and these weights are of version {cfg.version}")
    tensors = {name: tensor for name, tensor in content.tensors.items() if name.startswith("model.")}
    if cfg.experimental.hf:
        names, table, (weight, bias) = _vocabulary(content)
    else:
        names, table, (weight, bias) = _joined(content)
    tensors |= {"model.embed_tokens.weight": table, "lm_head.weight": weight, "lm_head.bias": bias}
    return HuggingFaceModel(tensors, _config(content, len(names)), _tokenizer(tokenizer, names))


def _vocabulary(content: WeightsContent) -> tuple[list[str], Tensor, tuple[Tensor, Tensor]]:
    """Tokens, their table and head of a model that has one vocabulary itself."""
    weight, bias = (content.tensors[name].clone() for name in head_tensors(content.config, SINGLE))
    return vocabulary_tokens(content.config), content.tensors[f"{ONE_TABLE}.weight"], (weight, bias)


def _joined(content: WeightsContent) -> tuple[list[str], Tensor, tuple[Tensor, Tensor]]:
    """Tokens, their table and head, put together of all tables and heads of a model."""
    if not content.config.experimental.split_classifiers:
        content = split_classifiers(content)
    ranges = list(token_ranges(content.config))
    table = torch.cat([content.tensors[part.table].view(len(part.tokens), -1) for part in ranges])
    return [token for part in ranges for token in part.tokens], table, _head(content, ranges)


def vocabulary_tokens(cfg: ModelConfig) -> list[str]:
    """Names of the ids of a `Vocabulary`, in its order; `<text:3>` separates and stops."""
    levels = range(cfg.resp_levels)
    prompt, response = ([f"<{k}:{q}:{code}>" for q in levels for code in range(cfg.audio_tokens)] for k in "PR")
    return [
        *(f"<text:{i}>" for i in range(cfg.text_tokens)),
        *_named("lang", LANGUAGE_IDS, cfg.langs),
        *(f"<RVQ:{level}>" for level in levels),
        *prompt,
        *_named("task", TASK_IDS, cfg.tasks),
        *_named("tone", {}, cfg.tones),
        *response,
    ]


def token_ranges(cfg: ModelConfig) -> Iterator[TokenRange]:
    """The ranges in order: text, prompt, response, RVQ levels, lengths, separator, languages, tasks, tones."""
    heads = head_rows(cfg)
    yield TokenRange([f"<text:{i}>" for i in range(cfg.text_tokens)], "text_emb.weight", "stt")
    for level in range(cfg.resp_levels):
        names = [f"<P:{level}:{code}>" for code in range(cfg.audio_tokens)]
        yield TokenRange(names, f"proms_emb.embeddings.{level}.weight")
    yield from _response_ranges(cfg)
    yield TokenRange([f"<RVQ:{level}>" for level in range(cfg.resp_levels)], "rvq_l_emb.weight")
    yield TokenRange([f"<len:{i}>" for i in range(LENGTH_TOKENS)], "len_emb.weight", "len" if "len" in heads else None)
    yield TokenRange(["<sep>"], "sep")
    yield TokenRange(_named("lang", LANGUAGE_IDS, cfg.langs), "langs_emb.weight")
    yield TokenRange(_named("task", TASK_IDS, cfg.tasks), "tasks_emb.weight")
    if "tone" in cfg.capabilities:
        yield TokenRange(_named("tone", {}, cfg.tones), "tones_emb.weight")


def _response_ranges(cfg: ModelConfig) -> Iterator[TokenRange]:
    tables = response_tables(cfg.capabilities, cfg.resp_levels)
    for table in sorted(tables, key=lambda table: (table != "AR:0:0", table != "NAR:0:0")):
        names = [f"<{table}:{code}>" for code in range(cfg.audio_tokens)]
        stop = [f"<{table}:STOP>"] if table.startswith("AR:") or table == "NAR:0:0" else []
        yield TokenRange(names + stop, f"resps_emb.embeddings.{tables.index(table)}.weight", table)


def _named(kind: str, ids: dict[str, int], count: int) -> list[str]:
    names = {number: name for name, number in ids.items()}
    return [f"<{kind}:{names.get(number, number)}>" for number in range(count)]


def _head(content: WeightsContent, ranges: list[TokenRange]) -> tuple[Tensor, Tensor]:
    """Weight [V, d] and bias [V] over all tokens."""
    like = content.separator
    weight = like.new_zeros(sum(len(part.tokens) for part in ranges), _dim(content))
    bias = like.new_full((len(weight),), NEVER)
    start = 0
    for part in ranges:
        if part.head is not None:
            rows = tuple(content.tensors[name] for name in head_tensors(content.config, part.head))
            weight[start : start + len(rows[0])], bias[start : start + len(rows[1])] = rows
        start += len(part.tokens)
    return weight, bias


def _dim(content: WeightsContent) -> int:
    return content.config.dimensions.dim


def _config(content: WeightsContent, tokens: int) -> dict[str, Any]:
    size = content.config.dimensions
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokens,
        "hidden_size": size.dim,
        "intermediate_size": 4 * size.dim,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": content.config.experimental.kv_heads or size.heads,
        "head_dim": size.dim // size.heads,
        "hidden_act": "gelu",
        "rms_norm_eps": EPSILON,
        "rope_theta": ROPE_BASE,
        "max_position_embeddings": LONGEST,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": TEXT_BOS,
        "eos_token_id": SEPARATOR if content.config.experimental.hf else TEXT_EOS,
        "torch_dtype": str(content.separator.dtype).removeprefix("torch."),
    }


def _tokenizer(tokenizer: IpaTokenizer, names: list[str]) -> str:
    """The tokenizer.json with the tokens beyond its own text added, each with the row of its vector for an id."""
    tree = json.loads(tokenizer.json)
    taken = set(tree["model"]["vocab"].values()) | {token["id"] for token in tree["added_tokens"]}
    new = {name: row for row, name in enumerate(names) if row not in taken}
    tree["model"]["vocab"] |= new
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    tree["added_tokens"] += [{"id": row, "content": name} | flags for name, row in new.items()]
    return json.dumps(tree, ensure_ascii=False)
