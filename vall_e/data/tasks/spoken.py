"""What is said, and how it sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vall_e.data.sample import PromptPieces
from vall_e.data.utterance import Codes

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spoken:
    """Speech: its text, token ids int64 [N] with bos and eos, and codes int16 [T, Q]."""

    text: str
    tokens: Tokens
    codes: Codes


@dataclass(frozen=True)
class TaskSample:
    """What a task shows and wants: a text and tokens int64 [N], a prompt, and the response int16 [T, Q]."""

    text: str
    tokens: Tokens
    prompt: PromptPieces
    response: Codes


def asked(spoken: Spoken, prompt: PromptPieces, response: Codes) -> TaskSample:
    """A sample of the text of `spoken`."""
    return TaskSample(spoken.text, spoken.tokens, prompt, response)


def join_texts(parts: Sequence[Spoken], space: Sequence[int]) -> tuple[str, Tokens]:
    """The text and tokens of one after another: bos A space B eos."""
    tokens = [parts[0].tokens[:-1]]
    for part in parts[1:]:
        tokens += [np.array(space, np.int64), part.tokens[1:-1]]
    return " ".join(part.text for part in parts), np.concatenate([*tokens, parts[-1].tokens[-1:]])


def without_text(spoken: Spoken) -> Spoken:
    """The same speech, of whose text only bos and eos are shown."""
    return replace(spoken, tokens=spoken.tokens[[0, -1]])
