"""Scores of utterances, which are measured once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from vall_e.audio.read import Wave, write_wav
from vall_e.data.pipeline.journal import Journal, key_of
from vall_e.errors import AudioError

from .candidates import ORIGINAL, Candidate, Subject
from .file_name import file_name_of
from .metrics.metric import Metric, Score
from .metrics.pair import paired
from .result import Scores
from .utterances import Utterance


class Rendition:
    """An utterance as a codec makes it; it is encoded when somebody asks for it."""

    def __init__(self, utterance: Utterance, candidate: Candidate) -> None:
        self.utterance, self._codec = utterance, candidate.codec
        self.sample_rate = self._codec.identity.sample_rate

    @cached_property
    def original(self) -> Wave:
        """float32 [N] at the codec's rate."""
        return self.utterance.read(self.sample_rate)

    @cached_property
    def fingerprint(self) -> str:
        """Tells apart recordings that differ in a sample."""
        return hashlib.sha256(self.original.tobytes()).hexdigest()[:24]

    @cached_property
    def _codes(self) -> torch.Tensor:
        return self._codec.encode(torch.from_numpy(self.original))

    def wave(self, subject: Subject) -> Wave:
        """float32 [N] of the first levels of the codec, or the original; AudioError for what is no sound."""
        if subject is ORIGINAL:
            return self.original
        decoded: Wave = self._codec.decode(self._codes[:, : subject.levels]).numpy()
        if not np.isfinite(decoded).all():
            raise AudioError(f"{subject.title} makes values of {self.utterance.id} that are no numbers")
        return decoded[: len(self.original)]


class Measuring:
    """Scores of subjects, kept in a journal of `folder`, and their audio beside it."""

    def __init__(self, folder: Path, metrics: Sequence[Metric]) -> None:
        self._folder, self._metrics = folder, metrics
        self.journal = Journal(folder / "measured", "scores")

    def close(self) -> None:
        """Make sure that what was measured is on the disk."""
        self.journal.close()

    def measure(self, rendition: Rendition, subject: Subject) -> tuple[Scores, str]:
        """Scores by metric and the file of the audio; what the journal has is taken from there."""
        utterance = rendition.utterance
        file = f"audio/{file_name_of(utterance.id)}/{subject.file_name}"
        known = (subject.digest, subject.levels, rendition.sample_rate, rendition.fingerprint)
        written = key_of("audio", file, *known)
        keys = {m.name: key_of(m.name, m.version, utterance.text, utterance.language, *known) for m in self._metrics}
        if not (self._folder / file).is_file() or written not in self.journal:
            write_wav(self._folder / file, rendition.wave(subject), rendition.sample_rate)
            self.journal.add(written, True)
        if missing := [m for m in self._metrics if keys[m.name] not in self.journal]:
            self._add(missing, rendition, subject, lambda metric: keys[metric.name])
        return {name: _score(self.journal[key]) for name, key in keys.items()}, file

    def _add(
        self, missing: Sequence[Metric], rendition: Rendition, subject: Subject, key: Callable[[Metric], str]
    ) -> None:
        one = rendition.utterance
        pair = paired(rendition.original, rendition.wave(subject), rendition.sample_rate, one.text, one.language)
        for metric in missing:
            self.journal.add(key(metric), metric.measure(pair))


def _score(kept: list[float] | None) -> Score | None:
    return None if kept is None else Score(*kept)
