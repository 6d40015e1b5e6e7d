"""Predicted lengths."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.decoding.length import predict_lengths
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
    ModelInput(text=draw_text(3, 2), prompt=draw_codes(11, 1), lang=2),
]


def capable(seed: float = 0.0, **settings: object) -> VallE:
    """A model whose head of lengths favours digits by a bias that a seed moves."""
    model = tiny_model(**{"capabilities": ["ar", "nar", "len", "lang"], **settings})  # type: ignore[arg-type]
    with torch.no_grad():
        model.classifiers.proj[-1].bias += torch.linspace(-seed, seed, 11)
    return model


@torch.inference_mode()
def predict_slowly(model: VallE, prefix: ModelInput) -> int:
    ids = [0]
    while len(ids) <= 10:
        packed = model.pack([replace(prefix, task="len", length=torch.tensor(ids))])
        ids.append(min(10, int(model.logits("len", model.hidden(packed)[-1:]).argmax())))
        if ids[-1] == 10:
            break
    return int("".join(str(digit) for digit in ids[1:] if digit < 10) or 0)


@pytest.mark.parametrize("flags", [{}, {"unified_position_ids": True}], ids=["restarting", "unified"])
def test_digits_are_the_likeliest_alone_and_in_a_batch(flags: dict[str, bool]) -> None:
    model = capable(flags=flags)
    lengths = predict_lengths(model, PREFIXES)
    assert lengths == [predict_slowly(model, prefix) for prefix in PREFIXES]
    assert len(set(lengths)) > 1


def say(model: VallE, digit: int) -> int:
    with torch.no_grad():
        model.classifiers.proj[-1].bias[digit] += 1e6
    return predict_lengths(model, PREFIXES[:1])[0]


@pytest.mark.parametrize(("digit", "frames"), [(10, 0), (7, 7_777_777_777), (0, 0)])
def test_no_more_than_ten_digits_are_told(digit: int, frames: int) -> None:
    assert say(capable(), digit) == frames


def test_an_early_head_of_256_ids_stops_with_all_that_are_no_digits() -> None:
    model = capable()
    wide = nn.Linear(32, 256)
    model.classifiers.proj[-1] = wide
    assert say(model, 200) == 0
