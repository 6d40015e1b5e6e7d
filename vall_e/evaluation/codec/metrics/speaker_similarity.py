"""Whether the voice is kept: the cosine of speaker vectors of original and decoded."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .ge2e import Ge2eEncoder, load_ge2e
from .metric import Score
from .pair import Pair


class SpeakerSimilarity:
    """1 is the same voice; two voices have about 0.6."""

    name, title, better, digits, version = "speaker_similarity", "speaker similarity", "higher", 3, "1"

    def measure(self, pair: Pair) -> Score | None:
        """None for silence."""
        if pair.is_silent:
            return None
        original, decoded = pair.at_16_khz
        return Score(float(np.dot(self._encoder.vector(original), self._encoder.vector(decoded))))

    @cached_property
    def _encoder(self) -> Ge2eEncoder:
        return load_ge2e()
