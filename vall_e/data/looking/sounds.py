"""Samples decoded, to listen to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vall_e.audio.codec import Codec
from vall_e.audio.read import Wave, write_wav
from vall_e.data.sample import PromptPieces, Sample
from vall_e.data.utterance import Codes

PAUSE_SECONDS = 0.3
"""Of silence for the name of a task within a prompt."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One sample of a task as files relative to a folder; a prompt of None is empty."""

    speaker: str
    text: str
    told: bool
    """Whether the model is shown the text."""
    pieces: str
    prompt: str | None
    response: str


def write_samples(folder: Path, samples: Sequence[Sample], codec: Codec) -> Iterator[Heard]:
    """Write `<task>/<n>.prompt.wav` and `<task>/<n>.response.wav` of samples into `folder`."""
    rate = codec.identity.sample_rate
    for number, sample in enumerate(samples):
        stem = f"{sample.task}/{number}"
        prompt = f"{stem}.prompt.wav" if len(sample.heard) else None
        if prompt is not None:
            write_wav(folder / prompt, prompt_wave(sample.prompt, codec), rate)
        write_wav(folder / f"{stem}.response.wav", _decoded(sample.response, codec), rate)
        yield Heard(
            speaker=sample.speaker,
            text=sample.text,
            told=len(sample.tokens) > 2,
            pieces=described(sample, codec.identity.frame_rate),
            prompt=prompt,
            response=f"{stem}.response.wav",
        )


def prompt_wave(prompt: PromptPieces, codec: Codec) -> Wave:
    """What a prompt sounds like, float32 [N]: its pieces, with a pause for the name of a task."""
    pieces = prompt if isinstance(prompt, tuple) else (prompt,)
    pause = np.zeros(int(PAUSE_SECONDS * codec.identity.sample_rate), np.float32)
    return np.concatenate([pause if isinstance(piece, str) else _decoded(piece, codec) for piece in pieces])


def described(sample: Sample, frame_rate: float) -> str:
    """The pieces of a prompt and the response in words: `2.1 s, tse, 3.4 s -> 3.4 s`."""
    pieces = sample.prompt if isinstance(sample.prompt, tuple) else (sample.prompt,)
    told = [piece if isinstance(piece, str) else f"{len(piece) / frame_rate:.1f} s" for piece in pieces]
    return f"{', '.join(told)} -> {len(sample.response) / frame_rate:.1f} s"


def _decoded(codes: Codes, codec: Codec) -> Wave:
    wave: Wave = codec.decode(torch.from_numpy(np.ascontiguousarray(codes))).numpy()
    return wave
