"""Speech ends when the model says so, and is ended, which is told, when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.finish import Finish, Guard, period
from vall_e.decoding.generate import generate_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.models.vall_e import VallE

GREEDY = SamplingConfig(ar_temperature=0.0, max_levels=0, max_duration=120)
REQUEST = SpeechRequest(tokens=draw_text(5), prompt=draw_codes(4))


def saying(code: int) -> VallE:
    """A model that says one code for ever, or stop."""
    model = tiny_model()
    with torch.no_grad():
        model.classifiers.proj[0].bias[code] = 1e6
    return model


@pytest.mark.parametrize(
    ("codes", "span", "found"),
    [
        ([7] * 10, 10, 1),
        ([7] * 9, 10, 0),
        ([1, 2] * 5, 10, 2),
        ([9, 1, 2, 3, 1, 2, 3], 6, 3),
        ([1, 2, 3, 4, 5, 6], 6, 0),
        ([7] * 10, 0, 0),
        (list(range(17)) * 4, 40, 0),
    ],
)
def test_a_loop_is_a_short_cycle_over_all_of_the_span(codes: list[int], span: int, found: int) -> None:
    assert period(codes, span) == found


def test_a_loop_is_ended_and_one_cycle_of_it_kept() -> None:
    said = generate_speech(saying(5), [REQUEST], replace(GREEDY, longest_loop=40), 0)[0]
    assert said.finish is Finish.loop and said.codes[:, 0].tolist() == [5]
    guard = Guard(replace(GREEDY, longest_loop=4), 5)
    assert guard.kept([9, 8, 1, 2, 1, 2]) == [9, 8, 1, 2]


@pytest.mark.parametrize(("settings", "frames"), [({}, 120), ({"frames_per_token": 2.0}, 75 + 10)])
def test_speech_is_no_longer_than_it_may_be_or_its_text_is(settings: dict[str, float], frames: int) -> None:
    said = generate_speech(saying(5), [REQUEST], replace(GREEDY, longest_loop=0, **settings), 0)[0]
    assert said.finish is Finish.length and len(said.codes) == frames


def test_a_model_that_stops_is_not_ended() -> None:
    said = generate_speech(saying(1024), [REQUEST], GREEDY, 0)[0]
    assert said.finish is Finish.stop and not len(said.codes)


def test_the_ends_of_a_batch_are_those_of_its_requests() -> None:
    longer = SpeechRequest(tokens=draw_text(20, 1), prompt=None)
    sampling = replace(GREEDY, longest_loop=0, frames_per_token=2.0, max_duration=100)
    said = generate_speech(saying(5), [REQUEST, longer], sampling, 0)
    assert [len(one.codes) for one in said] == [85, 100]
