"""Autoregressive decoding: one id after another, in a batch that sequences join as others end.

Axes: B sequences that are running, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .guidance import Guidance
from .reply import Choose, Reply
from .sampling.numbers import check_numbers
from .sequences.opening import open_sequences
from .sequences.sequences import Embed, Sequences, closed_up


@torch.inference_mode()
def replies(
    sequences: Sequences, prefixes: Iterable[ModelInput], stop: int, longest: int, choose: Choose, rows: int
) -> Iterator[Reply]:
    """Continue every prefix until it says `stop` or has `longest` ids, and yield its reply whenever that has grown.

    At most `rows` run at once; the next prefix is taken when one has ended. What is said to one does not depend on the
    others. All prefixes are of one task. Replies to watched sequences have their attention.
    """
    waiting, running = enumerate(prefixes), list[Reply]()
    while True:
        joining = list(islice(waiting, rows - len(running)))
        if joining:
            sequences.admit([prefix for _, prefix in joining])
            running += [Reply(index, stop, longest) for index, _ in joining]
        if not running:
            return
        for reply, attention in zip(running, sequences.attention, strict=False):
            reply.attention = attention
        check_numbers(sequences.logits)
        for reply, id in zip(running, choose(sequences.logits, running), strict=True):
            reply.hear(id)
            yield reply
        running = still_running(sequences, running)
        if running:
            yield from sequences.advance(running, choose)
            running = still_running(sequences, running)


def still_running(sequences: Sequences, running: list[Reply]) -> list[Reply]:
    """Those that have not ended; their sequences stay."""
    ended = [row for row, reply in enumerate(running) if reply.ended]
    if not ended:
        return running
    order = closed_up(len(running), ended)
    sequences.select(order)
    return [running[row] for row in order]


def decode_ids(
    model: VallE,
    prefixes: Sequence[ModelInput],
    embed: Embed,
    stop: int,
    steps: int,
    choose: Choose,
    *,
    rows: int | None = None,
    guidance: Guidance | None = None,
) -> list[list[int]]:
    """All ids of every prefix; `rows` run at once, or all of them."""
    found: list[list[int]] = [[] for _ in prefixes]
    sequences = open_sequences(model, embed, steps, guidance)
    for reply in replies(sequences, prefixes, stop, steps, choose, rows or max(1, len(prefixes))):
        found[reply.index] = reply.ids
    return found


def decode_level_zero(
    model: VallE,
    prefixes: Sequence[ModelInput],
    steps: int,
    choose: Choose,
    *,
    rows: int | None = None,
    guidance: Guidance | None = None,
) -> list[Tensor]:
    """Codes of RVQ level 0 for prefixes, after those their responses begin with: int64 [T] each."""
    ids = decode_ids(model, prefixes, model.embed_first, model.stop, steps, choose, rows=rows, guidance=guidance)
    return [torch.tensor(row, dtype=torch.int64) for row in ids]
