"""Segments, positions, heads and targets of a sequence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.models.tiny import draw_codes, draw_text, speech, tiny_model, with_stop
from vall_e.models.layout import (
    IGNORED,
    ModelInput,
    is_causal,
    lay_out,
    length_tokens,
    position_ids,
    response_targets,
    segment_targets,
)

ALL = ("ar", "nar", "len", "lang", "tone")


def names(sample: ModelInput, capabilities: tuple[str, ...] = ALL) -> list[str]:
    return [segment.name for segment in lay_out(sample, capabilities).segments]


def golden() -> ModelInput:
    return ModelInput(text=draw_text(5), prompt=draw_codes(5), response=draw_codes(7)[:, :1], lang=0)


def test_segments_stand_in_the_order_of_the_task() -> None:
    tts = speech(0, tone=0)
    assert names(tts) == ["text", "lang", "level", "prom", "tone", "resp"]
    length = replace(tts, task="len", length=length_tokens(6))
    assert names(length) == ["text", "lang", "level", "prom", "tone", "len"]
    assert names(replace(tts, task="stt")) == ["resp", "lang", "level", "text"]


def test_language_and_tone_need_the_capability_and_a_value() -> None:
    assert names(speech(0, tone=0), ("ar", "nar")) == ["text", "level", "prom", "resp"]
    assert names(speech(0, lang=None)) == ["text", "level", "prom", "resp"]


@pytest.mark.parametrize("prompt", [None, draw_codes(0)])
def test_no_prompt_leaves_out_its_segment(prompt: torch.Tensor | None) -> None:
    assert names(speech(0, prompt=prompt), ("ar",)) == ["text", "level", "resp"]


def test_positions_restart_in_every_segment() -> None:
    layout = lay_out(golden(), ["lang"])
    expected = [0, 1, 2, 3, 4, 5, 0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6]
    assert position_ids(layout, unified=False).tolist() == expected


def test_positions_at_the_start_of_speech_end_with_the_separator() -> None:
    layout = lay_out(replace(golden(), response=None), ["lang"])
    assert position_ids(layout, unified=False).tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 0, 1, 0, 1, 2, 3, 4, 5]
    assert layout.segment("resp").length == 0


def test_unified_positions_are_one_run() -> None:
    layout = lay_out(golden(), ["lang"])
    assert position_ids(layout, unified=True).tolist() == list(range(23))


@given(st.integers(2, 9), st.integers(0, 5), st.integers(1, 9), st.integers(0, 7))
def test_embeddings_positions_and_layout_are_equally_long(text: int, prompt: int, frames: int, level: int) -> None:
    sample = ModelInput(
        text=draw_text(text), level=level, prompt=draw_codes(prompt), response=draw_codes(frames)[:, : level + 1]
    )
    packed = MODEL.pack([sample])
    expected = text + 1 + 1 + 1 + (prompt + 1 if prompt else 0) + frames
    assert len(packed.embeddings) == len(packed.positions) == packed.lengths[0] == expected


MODEL = tiny_model()


@pytest.mark.parametrize(
    ("sample", "head", "causal"),
    [
        (speech(0), "AR:0:0", True),
        (speech(1), "NAR:0:1", False),
        (speech(7), "NAR:6:7", False),
        (speech(0, mask=torch.ones(7, dtype=torch.bool)), "NAR:0:0", False),
        (speech(7, task="stt"), "stt", True),
        (speech(0, task="len", length=length_tokens(6)), "len", True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_task_and_level_choose_head_and_mask(sample: ModelInput, head: str, causal: bool) -> None:
    layout = lay_out(sample, ["ar", "nar", "len"])
    assert layout.head == head
    assert is_causal(layout, noncausal_masks=True) is causal
    assert is_causal(layout, noncausal_masks=False)


@pytest.mark.parametrize(("frames", "tokens"), [(6, [0, 6, 10]), (300, [0, 3, 0, 0, 10]), (0, [0, 0, 10])])
def test_a_length_is_spelt_in_digits(frames: int, tokens: list[int]) -> None:
    assert length_tokens(frames).tolist() == tokens


def test_targets_of_speech_are_the_codes_of_its_level() -> None:
    codes = draw_codes(6)
    assert response_targets(speech(0, response=with_stop(codes))).tolist() == [*codes[:, 0].tolist(), 1024]
    assert response_targets(speech(3, response=codes[:, :4])).equal(codes[:, 3].long())
    masked = response_targets(speech(0, response=codes, mask=torch.tensor([True, False] * 3)))
    assert masked[1::2].eq(IGNORED).all()
    assert masked[::2].equal(codes[::2, 0].long())


def test_the_prompt_is_a_target_only_without_sums() -> None:
    sample = speech(3)
    assert sample.prompt is not None
    assert segment_targets(sample, "prom", sums=True).eq(IGNORED).all()
    assert segment_targets(sample, "prom", sums=False).equal(sample.prompt[:, 3].long())
