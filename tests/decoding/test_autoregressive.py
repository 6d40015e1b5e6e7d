"""Decoding through the cache says what re-computing the whole sequence at every step would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.decoding.choices import each
from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.decoding.autoregressive import decode_level_zero, replies
from vall_e.decoding.reply import Reply
from vall_e.decoding.sequences.opening import open_sequences
from vall_e.decoding.transcribe import transcribe
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


def likeliest(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
    return logits.argmax(-1).tolist()


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
    found = decode_level_zero(model, PREFIXES, 12, each(choose))
    assert [len(ids) for ids in found] == [2, 12, 0]
    assert found[1].tolist() == decode_slowly(model, PREFIXES[1], 12)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_a_sequence_joins_when_another_has_ended_and_says_what_it_says_alone(rows: int) -> None:
    """Ends after 9, 2, 0, 5, 5, 12 and 1 ids; the batch is never larger than it may be, nor smaller than it must."""
    lengths, prefixes = [9, 2, 0, 5, 5, 12, 1], [PREFIXES[i % 3] for i in range(7)]
    sizes: list[int] = []

    def choose(logits: Tensor, running: Sequence[Reply]) -> list[int]:
        sizes.append(len(running))
        codes = logits[:, :1024].argmax(-1).tolist()
        return [1024 if len(r.ids) == lengths[r.index] else code for r, code in zip(running, codes, strict=True)]

    model = tiny_model()
    found = decode_level_zero(model, prefixes, 30, choose, rows=rows)
    alone = [decode_slowly_for(model, prefix, length) for prefix, length in zip(prefixes, lengths, strict=True)]
    assert [ids.tolist() for ids in found] == alone
    assert max(sizes) == rows and sum(sizes) == sum(length + 1 for length in lengths)
    assert all(size == rows for size in sizes[: sizes.index(rows - 1) if rows - 1 in sizes else None])


@torch.inference_mode()
def decode_slowly_for(model: VallE, prefix: ModelInput, steps: int) -> list[int]:
    ids: list[int] = []
    for _ in range(steps):
        packed = model.pack([replace(prefix, response=torch.tensor(ids)[:, None] if ids else None)])
        ids.append(int(model.logits("AR:0:0", model.hidden(packed)[-1:, :])[:, :1024].argmax()))
    return ids


def test_prefixes_are_taken_when_there_is_room_for_them() -> None:
    taken: list[int] = []

    def prefixes() -> Iterator[ModelInput]:
        for index, prefix in enumerate(PREFIXES):
            taken.append(index)
            yield prefix

    model = tiny_model()
    sequences = open_sequences(model, model.embed_first, 3)
    saying = replies(sequences, prefixes(), -1, 3, likeliest, rows=1)
    told = [(reply.index, len(reply.ids), len(taken)) for reply in saying]
    assert told == [(i, n, i + 1) for i in range(3) for n in (1, 2, 3)]


def test_a_response_that_has_begun_is_continued() -> None:
    model = tiny_model()
    whole = decode_level_zero(model, PREFIXES[:1], 20, likeliest)[0]
    begun = replace(PREFIXES[0], response=whole[:8, None])
    assert decode_level_zero(model, [begun], 12, likeliest)[0].equal(whole[8:])


def test_a_decision_is_told_what_its_row_said_so_far() -> None:
    told: list[tuple[int, list[int]]] = []

    def choose(row: int, logits: Tensor, previous: list[int]) -> int:
        told.append((row, list(previous)))
        return 10 * row + len(previous)

    decode_level_zero(tiny_model(), PREFIXES[:2], 3, each(choose))
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
