"""Masked decoding of level 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.tiny import STOP, draw_codes, draw_text, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.guidance import Guidance, unconditional
from vall_e.decoding.masked import Canvas, blank, cool, decode_masked, draft, hidden_frames
from vall_e.decoding.masked import draw_codes as say_codes
from vall_e.decoding.non_autoregressive import frame_logits
from vall_e.decoding.sampling.dice import Dice, seeded
from vall_e.decoding.sampling.draw import Draw
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
    ModelInput(text=draw_text(3, 2), prompt=draw_codes(11, 1), lang=2),
]
FRAMES = [17, 1, 40]
GREEDY = SamplingConfig(ar_temperature=0.0, max_steps=6)
DRAWN = SamplingConfig(ar_temperature=0.9, max_steps=6, top_k=300, top_p=0.95)
REFERENCE = SamplingConfig(
    ar_temperature=0.0, max_steps=8, cfg_strength=2.0, minimum_cfg_strength=0.0, cfg_rescale=0.75, remasking=False
)


def model(**settings: Any) -> VallE:
    return tiny_model(**{"capabilities": ["ar", "nar", "len"], **settings})


def decode(valle: VallE, rows: Sequence[int], sampling: SamplingConfig, seed: int = 5) -> list[Tensor]:
    canvases = [blank(FRAMES[row], STOP) for row in rows]
    return decode_masked(valle, [PREFIXES[row] for row in rows], canvases, sampling, seeded(seed, len(rows)))


def test_the_schedule_is_that_of_the_reference() -> None:
    times = torch.linspace(0, 1, 25).tolist()
    told = "300 299 297 294 289 284 277 269 259 249 238 225 212 197 182 166 150 132 114 96 77 58 39 19 1"
    assert [hidden_frames(time, 300) for time in times] == list(map(int, told.split()))


def test_a_share_more_is_hidden_but_never_more_than_all_nor_nothing() -> None:
    assert [hidden_frames(time, 100, 0.1) for time in (0.0, 0.5, 1.0)] == [100, 80, 10]
    assert hidden_frames(1.0, 3, 0.1) == 1


@torch.inference_mode()
def decode_plainly(valle: VallE, prefix: ModelInput, frames: int, steps: int) -> list[int]:
    """The likeliest codes, guided by 2 with a rescale of 0.75: written down from the description once more."""
    codes, doubts = [STOP] * frames, [1.0] * frames
    for step in range(steps):
        count = max(1, math.floor(math.cos(math.pi / 2 * step / (steps - 1)) * frames))
        hidden = set(sorted(range(frames), key=lambda place: -doubts[place])[:count])
        shown = torch.tensor([STOP if place in hidden else codes[place] for place in range(frames)])
        sample = replace(prefix, response=shown[:, None], mask=shown == STOP)
        passes = []
        for one in (sample, unconditional(sample)):
            packed = valle.pack([one])
            passes.append(valle.logits("NAR:0:0", valle.hidden(packed)[-frames:]))
        logits = Guidance(strength=2.0, rescale=0.75).combine(*passes)
        likeliest, surest = logits.argmax(-1).tolist(), logits.softmax(-1).amax(-1).tolist()
        doubts = [1 - surest[place] if place in hidden else 0.0 for place in range(frames)]
        codes = [likeliest[place] if place in hidden else codes[place] for place in range(frames)]
    return codes


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"capabilities": ["nar", "len"]},
        {"flags": {"noncausal_masks": False}},
        {"flags": {"split_classifiers": False}},
    ],
    ids=["ar too", "alone", "causal", "one head"],
)
def test_codes_are_those_of_the_description(settings: dict[str, Any]) -> None:
    valle = model(**settings)
    found = decode(valle, [0, 2], REFERENCE)
    plainly = [decode_plainly(valle, PREFIXES[row], FRAMES[row], 8) for row in (0, 2)]
    assert [codes.tolist() for codes in found] == plainly
    assert len(set(plainly[1])) > 5


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN, REFERENCE], ids=["greedy", "drawn", "reference"])
def test_a_row_gets_the_same_codes_alone_and_in_a_batch(sampling: SamplingConfig) -> None:
    valle = model()
    together = decode(valle, [0, 1, 2], sampling)
    assert [codes.tolist() for codes in together] == [decode(valle, [row], sampling)[0].tolist() for row in range(3)]


@pytest.mark.parametrize("steps", [1, 2, 100])
def test_every_frame_is_said_whatever_the_steps(steps: int) -> None:
    for codes, frames in zip(decode(model(), [0, 1, 2], replace(DRAWN, max_steps=steps)), FRAMES, strict=True):
        assert len(codes) == frames
        assert 0 <= int(codes.min()) <= int(codes.max()) < STOP


def test_the_mask_is_never_said() -> None:
    valle = model(capabilities=["nar", "len"])
    with torch.no_grad():
        valle.classifiers.proj[0].bias[STOP] += 1e6
    assert all(int(codes.max()) < STOP for codes in decode(valle, [0, 2], DRAWN))


def test_guidance_is_at_least_the_minimum() -> None:
    valle = model()
    found = [decode(valle, [0], replace(GREEDY, **changes))[0].tolist() for changes in STRENGTHS]
    assert found[0] == found[1] == found[2]
    assert found[0] != found[3]
    assert found[0] != found[4]


STRENGTHS: list[dict[str, float]] = [
    {},
    {"cfg_strength": 2.0},
    {"cfg_strength": 3.0, "minimum_cfg_strength": 0.0},
    {"cfg_strength": 6.0},
    {"minimum_cfg_strength": 0.0},
]


def test_the_temperature_falls_to_0() -> None:
    draw = Draw(temperature=0.8, min_temperature=0.5)
    assert [cool(draw, time).temperature for time in (0.0, 0.5, 1.0)] == pytest.approx([0.8, 0.4, 0.0])
    assert [cool(draw, time).min_temperature for time in (0.0, 0.5)] == pytest.approx([0.5, 0.4])


def test_without_annealing_the_last_step_is_drawn_too() -> None:
    """One frame, one step more: annealed, the last step takes the likeliest whatever the seed."""
    valle = model()
    annealed = {decode(valle, [1], replace(DRAWN, max_steps=2), seed)[0].tolist()[0] for seed in range(8)}
    drawn = {
        decode(valle, [1], replace(DRAWN, max_steps=2, annealed_sampling=False), seed)[0].tolist()[0]
        for seed in range(8)
    }
    assert len(annealed) == 1
    assert len(drawn) > 1


def test_doubts_are_those_about_the_codes_that_were_drawn() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, 9.0], [0.0, 1.0, 2.0, -9.0]])
    codes, doubts = say_codes(logits, Draw(temperature=0.0), 3, torch.rand(len(logits)))
    assert codes.tolist() == [0, 2]
    torch.testing.assert_close(doubts, 1 - torch.stack([logits[0].softmax(-1)[0], logits[1].softmax(-1)[2]]))


def test_the_most_doubtful_are_hidden_and_said_again() -> None:
    canvas = Canvas(torch.tensor([5, 6, 7, 8]), torch.tensor([0.1, 0.9, 0.0, 0.5]))
    hidden = canvas.hide(2, STOP)
    assert hidden.tolist() == [False, True, False, True]
    canvas.fill(hidden, torch.tensor([60, 80]), torch.tensor([0.3, 0.2]))
    assert canvas.codes.tolist() == [5, 60, 7, 80]
    assert canvas.doubts.tolist() == pytest.approx([0.0, 0.3, 0.0, 0.2])


def test_a_draft_keeps_what_is_not_in_doubt() -> None:
    """At a time of 0.9 no more than 6 of 40 frames are hidden at once, in two steps."""
    given, valle = draw_codes(40, 9)[:, 0], model()
    canvas = draft(given, 0.9, Dice(0))
    sampling = replace(GREEDY, denoise_start=0.9, max_steps=20, remasking=False)
    found = decode_masked(valle, PREFIXES[:1], [canvas], sampling, seeded(0, 1))
    changed = int((found[0] != given).sum())
    assert 0 < changed <= 12
    assert not decode(valle, [2], GREEDY)[0].equal(found[0])


@torch.inference_mode()
def test_the_pass_is_the_masked_one_of_the_model() -> None:
    sample = replace(PREFIXES[0], response=draw_codes(6)[:, :1], mask=torch.tensor([True, False] * 3))
    valle = model()
    packed = valle.pack([sample])
    assert frame_logits(valle, [sample])[0].equal(valle.logits("NAR:0:0", valle.hidden(packed)[-6:]))
