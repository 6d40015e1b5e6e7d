"""What the model is shown of an utterance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .utterance import Codes

PromptPieces = Codes | tuple[Codes | str, ...]
"""Codes [P, Q], or pieces that follow each other: codes, and names of tasks that the model has a vector for."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An utterance made ready for a task.

    tokens: int64 [N] with bos and eos, what the model is shown of `text`; prompt: what it hears, codes that may be of
    no frames; response: int16 [T, Q]. `utterance` is the id of the utterance in the store.
    """

    task: str
    utterance: str
    speaker: str
    language: str
    text: str
    tokens: npt.NDArray[np.int64]
    prompt: PromptPieces
    response: Codes

    @property
    def heard(self) -> Codes:
        """The codes of the prompt without names of tasks: int16 [P, Q]."""
        if not isinstance(self.prompt, tuple):
            return self.prompt
        none = self.response[:0]
        return np.concatenate([none, *(piece for piece in self.prompt if not isinstance(piece, str))])
