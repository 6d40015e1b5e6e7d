"""Heads: which there are, how many ids each predicts, and whose weights they share.

Axes: M predictions, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vall_e.config.model import ModelConfig

from .embeddings import has_extra_row, response_tables
from .tokens import LENGTH_TOKENS

SINGLE = "classifier"
"""The one head of models without split ones."""
ONE_TABLE = "tokens_emb"
"""The one table of models with one vocabulary."""


def head_rows(cfg: ModelConfig) -> dict[str, int]:
    """How many ids each head predicts, by name, in order: those of the response tables, then stt, then len."""
    tables = response_tables(cfg.capabilities, cfg.resp_levels)
    rows = {table: cfg.audio_tokens + table.startswith("AR:") for table in tables}
    if "ar" not in cfg.capabilities and "NAR:0:0" in rows:
        rows["NAR:0:0"] += 1
    return rows | {"stt": cfg.text_tokens} | ({"len": LENGTH_TOKENS} if "len" in cfg.capabilities else {})


def tied_tables(cfg: ModelConfig) -> dict[str, str]:
    """The embedding table of each head that shares one, as a module; {} unless heads are tied.

    It embeds what the head predicts: codes of the same level, text or digits of a length, and has as many rows. The
    last level has no such table, as nothing reads it. One head for all shares that of level 0, or that of all ids.
    """
    if not cfg.experimental.tie_classifier_to_embedding:
        return {}
    if cfg.experimental.hf:
        return {SINGLE: ONE_TABLE}
    tables = response_tables(cfg.capabilities, cfg.resp_levels)
    read = [(level_read(name), cfg.audio_tokens + has_extra_row(name)) for name in tables]
    if not cfg.experimental.split_classifiers:
        return {SINGLE: f"resps_emb.embeddings.{read.index((0, cfg.audio_tokens + 1))}"}
    found = {"stt": "text_emb", "len": "len_emb"}
    for name in tables:
        wanted = (int(name.rpartition(":")[2]), head_rows(cfg)[name])
        if wanted in read:
            found[name] = f"resps_emb.embeddings.{read.index(wanted)}"
    return {name: found[name] for name in head_rows(cfg) if name in found}


def level_read(table: str) -> int:
    """The level whose codes a response table embeds: i of `AR:i:j` and `NAR:i:j`."""
    return int(table.split(":")[1])


def head_tensors(cfg: ModelConfig, head: str) -> tuple[str, str]:
    """Names of the weight and the bias of a head."""
    if not cfg.experimental.split_classifiers:
        head, own = SINGLE, SINGLE
    else:
        own = f"classifiers.proj.{list(head_rows(cfg)).index(head)}"
    return f"{tied_tables(cfg).get(head, own)}.weight", f"{own}.bias"


class TiedHead(nn.Module):
    """A linear map whose weight belongs to an embedding table: [M, d] -> [M, V]."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(rows))

    def forward(self, hidden: Tensor, weight: Tensor) -> Tensor:
        return linear(hidden, weight, self.bias)


class Heads(nn.Module):
    """Maps d -> V, found by the name of a head; `tied` ones have no weight of their own."""

    def __init__(self, rows: Mapping[str, int], dim: int, tied: Collection[str] = ()) -> None:
        super().__init__()
        self.names = list(rows)
        self.proj = nn.ModuleList(TiedHead(n) if name in tied else nn.Linear(dim, n) for name, n in rows.items())

    def find(self, name: str) -> nn.Module:
        """The map called `name`."""
        return self.proj[self.names.index(name)]
