"""Transcripts by Whisper through faster-whisper (extra `transcribe`)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vall_e.device import choose_device
from vall_e.errors import DataError, MissingExtra
from vall_e.text.languages import base_language

log = logging.getLogger(__name__)

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording: its language, and (from, to, text) of every segment in seconds."""

    language: str
    segments: list[tuple[float, float, str]]


class Transcriber(Protocol):
    """Writes down speech."""

    @property
    def name(self) -> str:
        """Tells transcribers apart whose transcripts differ."""
        ...

    def transcribe(self, wave: npt.NDArray[np.float32], language: str | None) -> Transcript:
        """Of float32 [N] at 16 kHz; None has the language heard."""
        ...


class WhisperTranscriber:
    """A Whisper model by name, which is fetched once, or in a folder. It opens at the first recording."""

    def __init__(self, model: str, device: str) -> None:
        self.name = str(Path(model).resolve()) if Path(model).is_dir() else model
        self._path, self._device = model, device
        self._model: object | None = None

    def transcribe(self, wave: npt.NDArray[np.float32], language: str | None) -> Transcript:
        """Greedy in effect: beams of five without sampling, so that a second run hears the same."""
        self._model = self._model or open_whisper(self._path, self._device)
        found, info = self._model.transcribe(  # type: ignore[attr-defined]
            wave,
            language=base_language(language) if language else None,
            temperature=0.0,
            condition_on_previous_text=False,
        )
        segments = [(float(s.start), float(s.end), s.text.strip()) for s in found if s.text.strip()]
        return Transcript(info.language, segments)


def open_whisper(model: str, device: str) -> object:
    """The model on the device; MissingExtra without faster-whisper, DataError if it cannot be had."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise MissingExtra("faster-whisper", "transcribe", f"preparation.transcribe={model}") from error
    chosen = choose_device(device)
    try:
        opened: object = WhisperModel(model, device=chosen.type, device_index=chosen.index or 0)
    except Exception as error:  # of the hub, of CTranslate2, of a damaged folder
        raise DataError(
            f"preparation.transcribe={model}: no such model ({error}); allowed: a name, to be fetched once, or a folder"
        ) from error
    return opened
