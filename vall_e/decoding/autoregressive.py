"""Autoregressive decoding: one id after another, in a batch that sequences join as others end.

Axes: B sequences that are running, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor

from vall_e.models.layout import ModelInput
from vall_e.models.tokens import TEXT_BOS, TEXT_EOS
from vall_e.models.vall_e import VallE

from .guidance import Guidance
from .sequences import Embed, Sequences, closed_up


@dataclass
class Reply:
    """How one sequence goes on: `ids` so far; it has `ended` when it said stop or had as many as it may.

    index: which of the prefixes it continues; attention: float32 [H, S], that of its newest position, if it is watched.
    """

    index: int
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    attention: Tensor | None = None

    def hear(self, id: int, stop: int, longest: int) -> None:
        """Go on with an id."""
        if id != stop:
            self.ids.append(id)
        self.ended = id == stop or len(self.ids) >= longest


Choose = Callable[[Tensor, Sequence[Reply]], Sequence[int]]
"""(logits float32 [B, V], the replies they are for) -> the next id of each."""
ChooseOne = Callable[[int, Tensor, list[int]], int]
"""(index of a prefix, logits [V], ids so far) -> the next id."""


def each(choose: ChooseOne) -> Choose:
    """The choice of a batch by that for one sequence."""
    return lambda logits, replies: [
        choose(r.index, row, r.ids) for row, r in zip(logits.unbind(), replies, strict=True)
    ]


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
    watched: bool = False,
) -> Iterator[Reply]:
    """Continue every prefix until it says `stop` or has `steps` ids, and yield its reply whenever that has changed.

    At most `rows` run at once; the next prefix is taken when one has ended. What is said to one does not depend on the
    others. All prefixes are of one task. With `watched` replies have their attention when it is chosen for them.
    """
    waiting = enumerate(prefixes)
    sequences, running = Sequences(model, embed, steps, guidance, watched), list[Reply]()
    while True:
        joining = list(islice(waiting, rows - len(running)))
        if joining:
            sequences.admit([prefix for _, prefix in joining])
            running += [Reply(index) for index, _ in joining]
        if not running:
            return
        for reply, attention in zip(running, sequences.attention, strict=False):
            reply.attention = attention
        for reply, id in zip(running, choose(sequences.logits, running), strict=True):
            reply.hear(id, stop, steps)
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


def transcribe(model: VallE, responses: Sequence[Tensor], steps: int, lang: int | None = 0) -> list[list[int]]:
    """Likeliest text ids of speech, bos and eos left out: codes int [T, Q] each."""
    bos, rows = torch.tensor([TEXT_BOS]), model.cfg.text_tokens
    prefixes = [ModelInput(task="stt", text=bos, response=response, lang=lang) for response in responses]

    def likeliest(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
        # One head for all tells more ids apart than text has.
        return logits[:, :rows].argmax(-1).tolist()

    return decode_ids(model, prefixes, model.text_emb, TEXT_EOS, steps, likeliest)
