"""Pieces that continue others."""

from __future__ import annotations

import torch

from vall_e.decoding.history import after
from vall_e.decoding.request import SpeechRequest

FIRST, SECOND, THIRD = (
    SpeechRequest(tokens=torch.tensor([1, *ids, 2]), prompt=None) for ids in ([10, 11], [20], [30, 31])
)
CODES = [torch.full((frames, 8), frames, dtype=torch.int16) for frames in (3, 5)]


def test_texts_and_codes_are_joined() -> None:
    found = after(THIRD, [(FIRST, CODES[0]), (SECOND, CODES[1])])
    assert found.tokens.tolist() == [1, 10, 11, 20, 30, 31, 2]
    assert found.before is not None and found.before[:, 0].tolist() == [3] * 3 + [5] * 5
    assert found.tokens_before == 4


def test_after_nothing_a_request_stays_as_it_is() -> None:
    assert after(FIRST, []) is FIRST


def test_a_silent_piece_is_passed_over() -> None:
    found = after(THIRD, [(FIRST, CODES[0]), (SECOND, CODES[1][:0])])
    assert found.tokens.tolist() == [1, 10, 11, 30, 31, 2] and found.tokens_before == 3
    assert after(THIRD, [(SECOND, CODES[1][:0])]) is THIRD
