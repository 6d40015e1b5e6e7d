"""Pieces of a text that go on from those before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .request import SpeechRequest


def after(request: SpeechRequest, spoken: Sequence[tuple[SpeechRequest, Tensor]]) -> SpeechRequest:
    """The request as one that continues pieces spoken before, codes int [T, Q] each; as it is after none.
    Pieces that were silent are passed over.

    The text is that of all of them, of which the first keeps its bos and the last its eos.
    """
    heard = [(one, said) for one, said in spoken if len(said)]
    if not heard:
        return request
    texts = [one.tokens for one, _ in heard]
    before = [text[bool(place) : -1] for place, text in enumerate(texts)]
    tokens = torch.cat([*before, request.tokens[1:]])
    codes = torch.cat([said.long() for _, said in heard])
    return replace(request, tokens=tokens, before=codes, tokens_before=sum(map(len, before)))
