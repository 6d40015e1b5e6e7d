"""Step 5: a vector of how each utterance sounds, of which the similar ones are found when all are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vall_e.config.preparation import PreparationConfig

from .finished import FinishedWork
from .journal import key_of
from .models import Models
from .progress import progress
from .similarity import AcousticVectors
from .vector_parts import VectorParts


class FeatureStep:
    """Vectors of finished utterances; files in `folder` keep them, those of each way to make them in one of their own.

    ConfigError if the codec does not allow `preparation.similar_by`.
    """

    def __init__(self, cfg: PreparationConfig, models: Models, folder: Path, writer: str, part_size: int) -> None:
        self._vectors = AcousticVectors(models.codec, cfg.similar_by, models.speakers) if cfg.similar_top_k else None
        encoder = cfg.speaker_encoder if cfg.similar_by == "speaker" else ""
        self.parts = VectorParts(folder / key_of(cfg.similar_by, encoder), writer)
        self._part_size = part_size

    def run(self, kept: Sequence[int], finished: FinishedWork) -> None:
        """Make the vectors of those utterances that have none, a part at a time."""
        if self._vectors is None:
            return
        pending = [fingerprint for fingerprint in kept if fingerprint not in self.parts]
        bar = progress("Comparing", pending, len(pending), len(kept))
        for start in range(0, len(pending), self._part_size):
            some = pending[start : start + self._part_size]
            made = [self._vectors.vector(finished.utterance(next(bar)).codes) for _ in some]
            self.parts.add(some, np.stack(made).astype(np.float32))
        next(bar, None)
