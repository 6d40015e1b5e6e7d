"""Autoregressive decoding: one id after another, through a cache.

Axes: B rows, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from vall_e.models.layout import Layout, ModelInput
from vall_e.models.tokens import TEXT_BOS, TEXT_EOS
from vall_e.models.vall_e import VallE

from .guidance import Guidance, RunningGuidance, unconditional

Choose = Callable[[int, Tensor, list[int]], int]
"""(row, logits [V], ids so far) -> the next id."""


def decode_ids(
    model: VallE,
    prefixes: Sequence[ModelInput],
    embed: Callable[[Tensor], Tensor],
    stop: int,
    steps: int,
    choose: Choose,
    guidance: Guidance | None = None,
) -> list[list[int]]:
    """Continue every prefix until it says `stop` or has `steps` ids; a row's ids do not depend on the other rows.

    embed: ids int64 [B] -> [B, d], their vectors in the output segment. With guidance each row has a second sequence,
    without text and prompt, that is told the same ids.
    """
    guide = RunningGuidance(guidance) if guidance else None
    packed = model.pack([*prefixes, *map(unconditional, prefixes)] if guide else prefixes)
    rows, sequences, head = len(prefixes), len(packed.layouts), packed.layouts[0].head
    cache = model.model.cache(sequences, max(packed.lengths) + steps, packed.embeddings)
    hidden = model.hidden(packed, cache.prefill(packed.lengths))
    last = torch.tensor(packed.lengths).cumsum(0) - 1
    hidden, positions = hidden[last.to(hidden.device)], next_positions(model, packed.layouts)
    ids: list[list[int]] = [[] for _ in prefixes]
    running = set(range(rows))
    for step in range(steps):
        logits = model.logits(head, hidden).float()
        logits = guide.combine(logits) if guide else logits
        chosen = [choose(row, logits[row], ids[row]) if row in running else stop for row in range(rows)]
        running = {row for row in running if chosen[row] != stop}
        for row in running:
            ids[row].append(chosen[row])
        if not running or step == steps - 1:
            break
        vectors = embed(torch.tensor(chosen * (sequences // rows), device=model.device))
        hidden, _ = model.model(vectors, positions + step, cache.step())
    return ids


def next_positions(model: VallE, layouts: Sequence[Layout]) -> Tensor:
    """Position of the first new id of each row: int64 [B].

    With restarting ids it is the number of vectors the output segment has already: none, or the bos of stt.
    """
    unified = model.cfg.experimental.unified_position_ids
    places = [layout.length if unified else layout.segments[-1].length for layout in layouts]
    return torch.tensor(places, device=model.device)


@torch.inference_mode()
def decode_level_zero(
    model: VallE, prefixes: Sequence[ModelInput], steps: int, choose: Choose, guidance: Guidance | None = None
) -> list[Tensor]:
    """Codes of RVQ level 0 for prefixes with an empty response: int64 [T] each."""

    def embed(ids: Tensor) -> Tensor:
        return model.resps_emb.read(0, ids)

    ids = decode_ids(model, prefixes, embed, model.stop, steps, choose, guidance)
    return [torch.tensor(row, dtype=torch.int64) for row in ids]


@torch.inference_mode()
def transcribe(model: VallE, responses: Sequence[Tensor], steps: int, lang: int | None = 0) -> list[list[int]]:
    """Likeliest text ids of speech, bos and eos left out: codes int [T, Q] each."""
    bos, rows = torch.tensor([TEXT_BOS]), model.cfg.text_tokens
    prefixes = [ModelInput(task="stt", text=bos, response=response, lang=lang) for response in responses]

    def likeliest(row: int, logits: Tensor, previous: list[int]) -> int:
        return int(logits[:rows].argmax())  # one head for all tells more ids apart than text has

    return decode_ids(model, prefixes, model.text_emb, TEXT_EOS, steps, likeliest)


def seeded(seed: int, rows: int) -> list[Generator]:
    """A generator per row, all alike, so that a request draws the same alone and in a batch."""
    return [torch.Generator().manual_seed(seed) for _ in range(rows)]
