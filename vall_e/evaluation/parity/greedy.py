"""The likeliest ids, from a prompt on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.length import predict_lengths
from vall_e.decoding.non_autoregressive import decode_levels
from vall_e.decoding.reply import Reply
from vall_e.decoding.sampling.dice import seeded
from vall_e.decoding.transcribe import transcribe
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .fixture import Array, Fixture, Given

AR_STEPS, BATCH_AR_STEPS, STT_STEPS = 50, 30, 20
"""Ids at most, where `meta.json` tells no number."""


@torch.inference_mode()
def greedy_arrays(model: VallE, fixture: Fixture) -> dict[str, Array]:
    """`greedy.ar` int32 [n], `greedy.nar` [n, Q] from there, `greedy.stt` [n], `greedy.len` [].

    Those of a batch have the number of the sample behind their names.
    """
    capabilities = fixture.config.capabilities
    prefixes = [prefix(given) for given in fixture.samples]
    found = {"stt": [written_down(model, given) for given in fixture.samples]}
    if "ar" in capabilities:
        found["ar"] = decode_level_zero(model, prefixes, ar_steps(fixture), likeliest)
    if {"ar", "nar"} <= set(capabilities):
        found["nar"] = decode_levels(model, prefixes, found["ar"], SamplingConfig(), seeded(0, len(prefixes)))
    if "len" in capabilities:
        found["len"] = [torch.tensor(frames) for frames in predict_lengths(model, prefixes)]
    return {
        f"greedy.{name}.{index}" if fixture.batched else f"greedy.{name}": ids.numpy().astype(np.int32)
        for name, rows in found.items()
        for index, ids in enumerate(rows)
    }


def prefix(given: Given) -> ModelInput:
    """A sample without its response."""
    return ModelInput(text=given.text, prompt=given.prompt, lang=given.lang, tone=given.tone)


def written_down(model: VallE, given: Given) -> Tensor:
    """The likeliest text of a sample's response: int64 [n]."""
    return torch.tensor(transcribe(model, [given.response], STT_STEPS, given.lang)[0], dtype=torch.int64)


def ar_steps(fixture: Fixture) -> int:
    """How many codes of level 0 the reference was let say."""
    told: dict[str, Any] = fixture.meta.get("ar_steps", {})
    return max(told.values(), default=BATCH_AR_STEPS if fixture.batched else AR_STEPS)


def likeliest(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
    """The ids of the highest logits: [B, V]."""
    return logits.argmax(-1).tolist()
