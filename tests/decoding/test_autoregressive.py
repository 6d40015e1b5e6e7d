"""Decoding through the cache says what re-computing the whole sequence at every step would say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.decoding.autoregressive import decode_level_zero, transcribe
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
    ModelInput(text=draw_text(3, 2), prompt=draw_codes(11, 1), lang=2),
]
SETTINGS = [
    {},
    {"flags": {"unified_position_ids": True}},
    {"flags": {"split_classifiers": False}},
    {"capabilities": ["ar", "nar", "lang"]},
    {"attention": "math"},
]


def likeliest(row: int, logits: Tensor, previous: list[int]) -> int:
    return int(logits.argmax())


@torch.inference_mode()
def decode_slowly(model: VallE, prefix: ModelInput, steps: int) -> list[int]:
    ids: list[int] = []
    for _ in range(steps):
        packed = model.pack([replace(prefix, response=torch.tensor(ids)[:, None] if ids else None)])
        ids.append(int(model.logits("AR:0:0", model.hidden(packed)[-1:]).argmax()))
        if ids[-1] == model.stop:
            return ids[:-1]
    return ids


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_cache_changes_nothing(settings: dict[str, Any]) -> None:
    model = tiny_model(**settings)
    found = decode_level_zero(model, PREFIXES, 25, likeliest)
    assert [ids.tolist() for ids in found] == [decode_slowly(model, prefix, 25) for prefix in PREFIXES]
    assert len(set(found[0].tolist())) > 5


def test_rows_stop_each_in_its_own_time() -> None:
    """Stopping after 2, never, and at once, all in a batch."""
    lengths = [2, 30, 0]

    def choose(row: int, logits: Tensor, previous: list[int]) -> int:
        return 1024 if len(previous) == lengths[row] else int(logits[:1024].argmax())

    model = tiny_model()
    found = decode_level_zero(model, PREFIXES, 12, choose)
    assert [len(ids) for ids in found] == [2, 12, 0]
    assert found[1].tolist() == decode_slowly(model, PREFIXES[1], 12)


def test_a_decision_is_told_what_its_row_said_so_far() -> None:
    told: list[tuple[int, list[int]]] = []

    def choose(row: int, logits: Tensor, previous: list[int]) -> int:
        told.append((row, list(previous)))
        return 10 * row + len(previous)

    decode_level_zero(tiny_model(), PREFIXES[:2], 3, choose)
    assert told == [(0, []), (1, []), (0, [0]), (1, [10]), (0, [0, 1]), (1, [10, 11])]


@torch.inference_mode()
def transcribe_slowly(model: VallE, response: Tensor, steps: int) -> list[int]:
    ids = [1]
    for _ in range(steps):
        packed = model.pack([ModelInput(task="stt", text=torch.tensor(ids), response=response, lang=0)])
        ids.append(int(model.logits("stt", model.hidden(packed)[-1:]).argmax()))
        if ids[-1] == 2:
            return ids[1:-1]
    return ids[1:]


@pytest.mark.parametrize("settings", SETTINGS[:4:3], ids=str)
def test_transcribing_through_the_cache_changes_nothing(settings: dict[str, Any]) -> None:
    model, responses = tiny_model(**settings), [draw_codes(7), draw_codes(3, 1)]
    assert transcribe(model, responses, 15) == [transcribe_slowly(model, response, 15) for response in responses]
