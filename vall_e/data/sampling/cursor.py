"""Successive samples for successive evaluations."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from vall_e.data.dataset import SpeechDataset
from vall_e.data.sample import Sample

from .selection import Rows


class SampleCursor:
    """Walks a dataset in an order drawn anew every epoch; samples, all for tts, are made in this process.

    Its state is the number of samples taken, so a restored cursor takes the samples that would have come next.
    """

    def __init__(self, dataset: SpeechDataset, seed: int) -> None:
        self._dataset, self._seed = dataset, seed
        self._taken = 0
        self._order = lru_cache(maxsize=2)(self._draw_order)

    def take(self, count: int) -> list[Sample]:
        """The next `count` samples; beyond the last utterance a new epoch begins, with other prompts."""
        start, self._taken = self._taken, self._taken + count
        return [self._sample(place) for place in range(start, start + count)]

    def state_dict(self) -> dict[str, Any]:
        """The position, fit for JSON."""
        return {"taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position."""
        self._taken = state["taken"]

    def _sample(self, place: int) -> Sample:
        epoch, position = divmod(place, len(self._dataset))
        return self._dataset.evaluated(int(self._order(epoch)[position]), epoch)

    def _draw_order(self, epoch: int) -> Rows:
        return np.random.default_rng((self._seed, epoch)).permutation(len(self._dataset))
