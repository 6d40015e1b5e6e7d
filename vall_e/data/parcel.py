"""Samples as they travel from a worker process: all codes in one array, all token ids in another.

A process that unpickles three arrays a sample takes longer to do so than to read the sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .sample import PromptPieces, Sample
from .utterance import Codes

Extent = int | tuple[int | str, ...]
"""A prompt, with numbers of frames in place of codes."""
Label = tuple[str, str, str, str, str, int, Extent, int]
"""Task, utterance, speaker, language and text of a sample, number of tokens, extent of the prompt, frames of the
response."""


@dataclass(frozen=True)
class Parcel:
    """Samples without their codes; tokens: int64 [sum of N]."""

    labels: list[Label]
    tokens: npt.NDArray[np.int64]

    def unpack(self, codes: Codes) -> list[Sample]:
        """The samples, whose arrays are parts of `tokens` and of `codes`, int16 [sum of P + T, Q]."""
        samples, tokens_at, at = [], 0, 0
        for task, utterance, speaker, language, text, count, extent, frames in self.labels:
            prompt, at = _cut(codes, at, extent)
            samples.append(
                Sample(
                    task=task,
                    utterance=utterance,
                    speaker=speaker,
                    language=language,
                    text=text,
                    tokens=self.tokens[tokens_at : tokens_at + count],
                    prompt=prompt,
                    response=codes[at : at + frames],
                )
            )
            tokens_at, at = tokens_at + count, at + frames
        return samples


def pack(samples: Sequence[Sample]) -> tuple[Parcel, Codes]:
    """At least one sample as a parcel and the codes that belong to it: int16 [sum of P + T, Q]."""
    codes = [piece for sample in samples for piece in _pieces(sample)]
    labels = [
        (
            sample.task,
            sample.utterance,
            sample.speaker,
            sample.language,
            sample.text,
            len(sample.tokens),
            _extent(sample.prompt),
            len(sample.response),
        )
        for sample in samples
    ]
    return Parcel(labels, np.concatenate([sample.tokens for sample in samples])), np.concatenate(codes)


def _pieces(sample: Sample) -> Iterator[Codes]:
    """The codes of the prompt, then those of the response."""
    if isinstance(sample.prompt, tuple):
        yield from (piece for piece in sample.prompt if not isinstance(piece, str))
    else:
        yield sample.prompt
    yield sample.response


def _extent(prompt: PromptPieces) -> Extent:
    if isinstance(prompt, tuple):
        return tuple(piece if isinstance(piece, str) else len(piece) for piece in prompt)
    return len(prompt)


def _cut(codes: Codes, at: int, extent: Extent) -> tuple[PromptPieces, int]:
    """The prompt that begins at a frame of `codes`, and where it ends."""
    if isinstance(extent, int):
        return codes[at : at + extent], at + extent
    pieces: list[Codes | str] = []
    for piece in extent:
        if isinstance(piece, int):
            pieces.append(codes[at : at + piece])
            at += piece
        else:
            pieces.append(piece)
    return tuple(pieces), at
