"""Choices of ids that tests make."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from vall_e.decoding.reply import Choose


def each(choose: Callable[[int, Tensor, list[int]], int]) -> Choose:
    """The choice of a batch by that for one sequence: (index of a prefix, logits [V], ids so far) -> the next id."""
    return lambda logits, replies: [
        choose(reply.index, row, reply.ids) for row, reply in zip(logits.unbind(), replies, strict=True)
    ]
