"""Embedding tables of codes: which table reads which RVQ level for which target.

E_k and P_k are the k-th response and prompt table, q the target level, x the codes of a response, p of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vall_e.config.generations import LATEST
from vall_e.config.model import ModelConfig

from .tokens import LENGTH_TOKENS


def response_tables(capabilities: Sequence[str], levels: int) -> list[str]:
    """Names of the response tables: `AR:a:a` reads and predicts level a, `NAR:i:j` reads up to i, predicts j."""
    if "nar" not in capabilities:
        return [f"AR:{q}:{q}" for q in range(levels)]
    first = ["AR:0:0"] if "ar" in capabilities else ["NAR:0:0"]
    last = ["NAR:0:0"] if {"ar", "len"} <= set(capabilities) else []
    return first + [f"NAR:{q - 1}:{q}" for q in range(1, levels)] + last


def has_extra_row(name: str) -> bool:
    """Tables of level 0 have one row more: the stop code of AR, the mask of masked decoding."""
    return name.startswith("AR:") or name == "NAR:0:0"


def segment_tables(cfg: ModelConfig) -> dict[str, nn.Embedding]:
    """Tables of everything but text and codes that the generation of the model has, by their names as parameters."""
    rows = {
        "lang": ("langs_emb", cfg.langs),
        "task": ("tasks_emb", cfg.tasks),
        "tone": ("tones_emb", cfg.tones),
        "level": ("rvq_l_emb", cfg.resp_levels),
        "len": ("len_emb", LENGTH_TOKENS),
    }
    named = [rows[kind] for kind in cfg.generation.tables]
    return {name: nn.Embedding(count, cfg.dimensions.dim) for name, count in named}


def sums_mode(cfg: ModelConfig) -> str | None:
    """How embeddings of several levels are summed (`prompt_levels`); None if they are not.

    Before version 5 they always were: `graded`, and `whole` by models with RetNet's old layout, which are older still.
    Models that interleave levels say them all at once, so that they hear a prompt `whole`, too.
    """
    flags = cfg.experimental
    if cfg.version == LATEST:
        mode = "whole" if flags.interleave else flags.audio_embedding_sums_mode.lower()
        return mode if flags.audio_embedding_sums else None
    is_old = cfg.arch_type.lower() == "retnet-hf" or flags.retnet_layout.lower() == "old"
    return "whole" if is_old else "graded"


class CodeEmbedding(nn.Module):
    """A family of tables, one per name; `weighted` ones have a number each that vectors are multiplied by in sums."""

    def __init__(self, rows: Sequence[int], dim: int, weighted: bool = False) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, dim) for n in rows)
        self.weight = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in rows) if weighted else None

    def read(self, table: int, codes: Tensor) -> Tensor:
        """codes int [T] -> [T, d]."""
        vectors: Tensor = self.embeddings[table](codes.long())
        return vectors

    def summand(self, table: int, codes: Tensor) -> Tensor:
        """codes int [T] -> [T, d] as they are summed."""
        vectors = self.read(table, codes)
        return vectors if self.weight is None else vectors * self.weight[table]

    def read_sum(self, tables: Sequence[int], codes: Tensor) -> Tensor:
        """Sum over k of table `tables[k]` of level k: codes int [T, Q] -> [T, d]."""
        return torch.stack([self.summand(table, codes[:, level]) for level, table in enumerate(tables)]).sum(0)


def summed_levels(level: int, mode: str) -> int:
    """How many prior levels are summed for a target level.

    `legacy` leaves the newest out from level 2 on, as the reference did until 2025-03; all others sum all of them.
    """
    return max(1, level - 1 if mode == "legacy" else level)


def prompt_levels(level: int, levels: int, mode: str) -> int:
    """How many of a prompt's levels are summed for a target level.

    As many as of the response; but all of them for level 0 if `graded`, and for every level if `whole`.
    """
    is_whole = mode == "whole" or (mode == "graded" and level == 0)
    return levels if is_whole else summed_levels(level, mode)


def embed_prompt(tables: CodeEmbedding, codes: Tensor, level: int, sums: str | None) -> Tensor:
    """Prompt codes [P, Q] for a target level -> [P, d]; `sums` None embeds the newest prior level alone."""
    newest = max(level - 1, 0)
    if sums is None:
        return tables.read(newest, codes[:, newest])
    return tables.read_sum(range(prompt_levels(level, len(tables.embeddings), sums)), codes)


def embed_response(tables: CodeEmbedding, codes: Tensor, level: int, sums: str | None) -> Tensor:
    """Response codes [T, Q'] for a target level -> [T, d]: level 0 reads itself, the others what lies below them."""
    if level == 0:
        return tables.read(0, codes[:, 0])
    if sums is None:
        return tables.read(level, codes[:, level - 1])
    return tables.read_sum(range(1, summed_levels(level, sums) + 1), codes)


def embed_interleaved(tables: CodeEmbedding, codes: Tensor, levels: int) -> Tensor:
    """Codes [C] of levels that take turns, level 0 first -> [C, d]: each level is read by its own table."""
    places = torch.arange(len(codes), device=codes.device)
    turns = [places[level::levels] for level in range(levels)]
    vectors = torch.cat([tables.read(level, codes[turn]) for level, turn in enumerate(turns)])
    return vectors[torch.cat(turns).argsort()]


def embed_heard(tables: CodeEmbedding, codes: Tensor, levels: int, sums: str | None) -> Tensor:
    """Codes [T, Q] of speech to be transcribed -> [T, d].

    E_0(x_0) plus, without sums, E_{l+1}(x_l) for l = 1..Q-2; with them E_{k+1}(x_k) for k = 0..Q-2, which `legacy`
    weights Q-2-k times, an accident that the weights of 2024 were trained with.
    """
    total = tables.read(0, codes[:, 0])
    for level in range(1 if sums is None else 0, levels - 1):
        weight = levels - 2 - level if sums == "legacy" else 1
        if weight:
            total = total + weight * tables.summand(level + 1, codes[:, level])
    return total
