"""What the model is shown of an utterance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An utterance made ready for a task.

    tokens: int64 [N] with bos and eos; prompt: int16 [P, Q], P may be 0; response: int16 [T, Q].
    `utterance` is the id of the utterance in the store.
    """

    task: str
    utterance: str
    speaker: str
    language: str
    text: str
    tokens: npt.NDArray[np.int64]
    prompt: npt.NDArray[np.int16]
    response: npt.NDArray[np.int16]
