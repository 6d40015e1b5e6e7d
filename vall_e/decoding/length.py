"""How long an utterance will be, before it is spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from vall_e.models.layout import ModelInput
from vall_e.models.tokens import LENGTH_STOP
from vall_e.models.vall_e import VallE

from .autoregressive import decode_ids
from .reply import Reply

DIGITS = 10
"""Digits told at most."""


@torch.inference_mode()
def predict_lengths(model: VallE, prefixes: Sequence[ModelInput]) -> list[int]:
    """The likeliest number of frames for each prefix; 0 if the model tells no digit. It has the capability `len`."""
    start = torch.tensor([0])
    asked = [replace(prefix, task="len", level=0, response=None, length=start) for prefix in prefixes]
    digits = decode_ids(model, asked, model.len_emb, LENGTH_STOP, DIGITS, likeliest_digits)
    return [int("".join(map(str, row)) or 0) for row in digits]


def likeliest_digits(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
    """A digit each or the stop token, which every higher id of an early head means, too: logits [B, V]."""
    return logits.argmax(-1).clamp_max(LENGTH_STOP).tolist()
