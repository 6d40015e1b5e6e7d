"""What the model is asked to do with an utterance."""

from __future__ import annotations

from collections.abc import Callable

from .editing import edit, edit_in_noise
from .parting import extract_speaker, remove_speech, suppress_noise
from .scene import Scene
from .speaking import go_on, measure, speak, write_down
from .spoken import TaskSample

TASKS: dict[str, Callable[[Scene], TaskSample]] = {
    "tts": speak,
    "tts-c": go_on,
    "stt": write_down,
    "len": measure,
    "ns": suppress_noise,
    "sr": remove_speech,
    "tse": extract_speaker,
    "cse": edit,
    "nse": edit_in_noise,
}
