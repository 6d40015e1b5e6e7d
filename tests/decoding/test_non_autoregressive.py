"""The levels above 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.non_autoregressive import decode_levels
from vall_e.decoding.sampling.dice import seeded
from vall_e.models.layout import ModelInput

PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
]
FIRST = [draw_codes(7, 5)[:, 0], draw_codes(3, 6)[:, 0]]


@pytest.mark.parametrize(
    "settings",
    [{}, {"flags": {"split_classifiers": False}}, {"flags": {"noncausal_masks": False}}],
    ids=["split heads", "one head", "causal"],
)
@torch.inference_mode()
def test_every_level_is_the_likeliest_given_those_below(settings: dict[str, Any]) -> None:
    model = tiny_model(**settings)
    found = decode_levels(model, PREFIXES, FIRST, SamplingConfig(), seeded(0, 2))
    for prefix, first, codes in zip(PREFIXES, FIRST, found, strict=True):
        assert codes.shape == (len(first), 8)
        assert codes[:, 0].equal(first.long())
        for level in range(1, 8):
            packed = model.pack([replace(prefix, level=level, response=codes[:, :level])])
            logits = model.logits(packed.layouts[0].head, model.hidden(packed)[-len(first) :])
            assert codes[:, level].equal(logits.argmax(-1))


@pytest.mark.parametrize("levels", [0, 1, 3, 31])
def test_no_more_levels_are_decoded_than_asked_for(levels: int) -> None:
    found = decode_levels(tiny_model(), PREFIXES, FIRST, SamplingConfig(max_levels=levels), seeded(0, 2))
    assert [codes.shape[1] for codes in found] == [min(levels, 7) + 1] * 2


def test_a_model_without_nar_speaks_level_0_alone() -> None:
    found = decode_levels(tiny_model(capabilities=["ar"]), PREFIXES, FIRST, SamplingConfig(), seeded(0, 2))
    assert [codes.shape for codes in found] == [(7, 1), (3, 1)]


def test_draws_differ_from_the_likeliest() -> None:
    model = tiny_model()
    drawn = SamplingConfig(nar_temperature=1.0)
    first, again = (decode_levels(model, PREFIXES, FIRST, drawn, seeded(3, 2)) for _ in range(2))
    likeliest = decode_levels(model, PREFIXES, FIRST, SamplingConfig(), seeded(3, 2))
    assert first[0].equal(again[0])
    assert not first[0].equal(likeliest[0])
