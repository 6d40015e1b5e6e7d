"""A transcriber simple enough to check by hand: every burst of sound in a recording is a segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from vall_e.data.pipeline.whisper import SAMPLE_RATE, Transcript

from .tones import SAMPLE_RATE as CODEC_RATE

WORDS = ("Saturday came.", "Where is it?", "He told a fib.", "You know!")


class BurstTranscriber:
    """Hears WORDS in turn, one a burst, in `language` unless it is told another. Recordings are counted in `heard`."""

    name = "bursts"

    def __init__(self, language: str = "en") -> None:
        self.language, self.heard = language, 0

    def transcribe(self, wave: np.ndarray, language: str | None) -> Transcript:
        self.heard += 1
        loud = np.abs(np.pad(wave, (0, -len(wave) % 160)).reshape(-1, 160)).max(axis=1) > 0.05
        edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int)))
        segments = [
            (start * 160 / SAMPLE_RATE, end * 160 / SAMPLE_RATE, WORDS[number % len(WORDS)])
            for number, (start, end) in enumerate(edges.reshape(-1, 2).tolist())
        ]
        return Transcript(language or self.language, segments)


def bursts(*seconds: float, gap: float = 0.5, gain: float = 0.5) -> np.ndarray:
    """Tones of these lengths with silence before, between and after them."""
    silence = np.zeros(round(gap * CODEC_RATE), np.float32)
    parts = [silence]
    for length in seconds:
        parts += [gain * np.sin(np.arange(round(length * CODEC_RATE)) / 3).astype(np.float32), silence]
    return np.concatenate(parts)


def record(path: Path, wave: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, CODEC_RATE)
