"""A prompt: codes of speech, between which names of tasks may stand.

Axes: P vectors, Q RVQ levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .tokens import IGNORED, TASK_IDS

Prompt = Tensor | tuple[Tensor | str, ...]
"""Codes int [P, Q], or pieces that follow each other without a separator; the name of a task is one vector."""


def pieces(prompt: Prompt | None) -> tuple[Tensor | str, ...]:
    """The pieces in order, those without frames left out."""
    given = () if prompt is None else (prompt,) if isinstance(prompt, Tensor) else prompt
    return tuple(piece for piece in given if len(piece))


def prompt_length(prompt: Prompt | None) -> int:
    """How many vectors a prompt has."""
    return sum(1 if isinstance(piece, str) else len(piece) for piece in pieces(prompt))


def prompt_targets(prompt: Prompt | None, level: int, sums: bool) -> Tensor:
    """int64 [P]: codes of the target level, which summed embeddings do not learn, and ids of tasks."""
    if sums:
        return torch.full((prompt_length(prompt),), IGNORED)
    return torch.cat(
        [torch.tensor([TASK_IDS[p]]) if isinstance(p, str) else p[:, level].long() for p in pieces(prompt)]
    )
