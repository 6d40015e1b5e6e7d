"""The unit of speech data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SPLITS = ("training", "validation", "noise")

Codes = npt.NDArray[np.int16]
"""A codec's codes: [T, Q]."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance: who says what, and the codec's codes of it. `speaker` is `group/speaker`, codes: int16 [T, Q]."""

    id: str
    speaker: str
    split: str
    language: str
    text: str
    phonemes: str
    codes: Codes
