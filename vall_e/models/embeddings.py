"""Embedding tables of codes: which table reads which RVQ level for which target.

E_k and P_k are the k-th response and prompt table, q the target level, x the codes of a response, p of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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


class CodeEmbedding(nn.Module):
    """A family of tables, one per name."""

    def __init__(self, rows: Sequence[int], dim: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, dim) for n in rows)

    def read(self, table: int, codes: Tensor) -> Tensor:
        """codes int [T] -> [T, d]."""
        vectors: Tensor = self.embeddings[table](codes.long())
        return vectors

    def read_sum(self, tables: Sequence[int], codes: Tensor) -> Tensor:
        """Sum over k of table `tables[k]` of level k: codes int [T, Q] -> [T, d]."""
        return torch.stack([self.read(table, codes[:, level]) for level, table in enumerate(tables)]).sum(0)


def summed_levels(level: int, mode: str) -> int:
    """How many prior levels are summed for a target level.

    `inclusive` sums all of them. `legacy` leaves the newest out from level 2 on, as the reference did until 2025-03.
    """
    return max(1, level if mode == "inclusive" else level - 1)


def embed_prompt(tables: CodeEmbedding, codes: Tensor, level: int, sums: str | None) -> Tensor:
    """Prompt codes [P, Q] for a target level -> [P, d]; `sums` None embeds the newest prior level alone."""
    newest = max(level - 1, 0)
    if sums is None:
        return tables.read(newest, codes[:, newest])
    return tables.read_sum(range(summed_levels(level, sums)), codes)


def embed_response(tables: CodeEmbedding, codes: Tensor, level: int, sums: str | None) -> Tensor:
    """Response codes [T, Q'] for a target level -> [T, d]: level 0 reads itself, the others what lies below them."""
    if level == 0:
        return tables.read(0, codes[:, 0])
    if sums is None:
        return tables.read(level, codes[:, level - 1])
    return tables.read_sum(range(1, summed_levels(level, sums) + 1), codes)


def embed_heard(tables: CodeEmbedding, codes: Tensor, levels: int, sums: str | None) -> Tensor:
    """Codes [T, Q] of speech to be transcribed -> [T, d].

    E_0(x_0) plus, without sums, E_{l+1}(x_l) for l = 1..Q-2; with them E_{k+1}(x_k) for k = 0..Q-2, which `legacy`
    weights Q-2-k times, an accident that the weights of 2024 were trained with.
    """
    total = tables.read(0, codes[:, 0])
    for level in range(1 if sums is None else 0, levels - 1):
        weight = levels - 2 - level if sums == "legacy" else 1
        if weight:
            total = total + weight * tables.read(level + 1, codes[:, level])
    return total
