"""Token ids with a meaning of their own."""

from __future__ import annotations

NULL_TEXT = (1, 2)
"""Text of nothing: bos, eos."""

TEXT_BOS, TEXT_EOS = 1, 2

IGNORED = -100
"""A target that is not learnt."""

LENGTH_TOKENS = 11
"""Decimal digits, then the stop token; 0 also starts."""

LENGTH_STOP = 10

TASK_IDS = {"tts": 0, "tts-c": 1, "ns": 2, "sr": 3, "tse": 4, "soe": 5, "mask": 6, "eoe": 7, "stt": 8}
