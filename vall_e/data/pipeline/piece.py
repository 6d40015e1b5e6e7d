"""A piece of a recording that becomes an utterance, and what could not become one."""

from __future__ import annotations

from dataclasses import dataclass

from vall_e.audio.read import Span
from vall_e.data.recipes.audio_source import AudioSource, CodesSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What is said where. `span` is in seconds of the recording, None is all of it; `phonemes` are None until found."""

    id: str
    audio: AudioSource | CodesSource
    speaker: str
    text: str
    language: str
    split: str
    span: Span | None = None
    phonemes: str | None = None


@dataclass(frozen=True)
class Dropped:
    """An utterance that could not be used, the step that found out, and why."""

    id: str
    reason: str
    step: str = "encode"
