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
from .sequences import Embed, Sequences, closed_up


@torch.inference_mode()
def replies(
    model: VallE,
    prefixes: Iterable[ModelInput],
    embed: Embed,
    stop: int,
    steps: int,
    choose: Choose,
    *,
    rows: int,
    guidance: Guidance | None = None,
) -> Iterator[Reply]:
    """Continue every prefix until it says `stop` or has `steps` ids, and yield its reply whenever that has changed.

    At most `rows` run at once; the next prefix is taken when one has ended. What is said to one does not depend on the
    others. All prefixes are of one task.
    """
    waiting = enumerate(prefixes)
    sequences, running = Sequences(model, embed, steps, guidance), list[Reply]()
    while True:
        joining = list(islice(waiting, rows - len(running)))
        if joining:
            sequences.admit([prefix for _, prefix in joining])
            running += [Reply(index, stop, steps) for index, _ in joining]
        if not running:
            return
        for reply, id in zip(running, choose(sequences.logits, running), strict=True):
            reply.hear(id)
            yield reply
        ended = [row for row, reply in enumerate(running) if reply.ended]
        if ended:
            order = closed_up(len(running), ended)
            sequences.select(order)
            running = [running[row] for row in order]
        if running:
            sequences.extend([reply.ids[-1] for reply in running])


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
    together = rows or max(1, len(prefixes))
    for reply in replies(model, prefixes, embed, stop, steps, choose, rows=together, guidance=guidance):
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
    embed = level_zero_embedding(model)
    ids = decode_ids(model, prefixes, embed, model.stop, steps, choose, rows=rows, guidance=guidance)
    return [torch.tensor(row, dtype=torch.int64) for row in ids]


def level_zero_embedding(model: VallE) -> Embed:
    """How codes of level 0 are read where they are predicted one by one."""
    return lambda ids: model.resps_emb.read(0, ids)
