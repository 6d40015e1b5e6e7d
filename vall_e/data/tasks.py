"""What the model is asked to do with an utterance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .prompt import Codes
from .utterance import Utterance


@dataclass(frozen=True)
class TaskCodes:
    """The audio of a sample. prompt: int16 [P, Q], response: int16 [T, Q]."""

    prompt: Codes
    response: Codes


Task = Callable[[Utterance, Callable[[], Codes]], TaskCodes]


def tts(utterance: Utterance, draw_prompt: Callable[[], Codes]) -> TaskCodes:
    """Text to speech: speak the utterance's text in the voice of a prompt from the same speaker."""
    return TaskCodes(prompt=draw_prompt(), response=utterance.codes)


TASKS: dict[str, Task] = {"tts": tts, "len": tts}
"""What `len` is to learn, the number of frames, follows from the audio of `tts`."""
