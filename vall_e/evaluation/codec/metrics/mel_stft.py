"""The distance of mel spectra that evaluation reports, see `vall_e.evaluation.mel_stft`."""

from __future__ import annotations

from functools import cached_property

import torch

from vall_e.evaluation.mel_stft import MelStft

from .metric import Score
from .pair import Pair


class MelStftMetric:
    """0 means equal, there is no upper bound."""

    name, title, better, digits, version = "mel_stft", "mel-STFT", "lower", 3, "1"

    def measure(self, pair: Pair) -> Score:
        """Of the waves as they are."""
        original, decoded = torch.from_numpy(pair.original), torch.from_numpy(pair.decoded)
        return Score(self._distances[pair.sample_rate].distance(decoded, original))

    @cached_property
    def _distances(self) -> _Distances:
        return _Distances()


class _Distances(dict[int, MelStft]):
    """One a sample rate, as its filters take a while to make."""

    def __missing__(self, sample_rate: int) -> MelStft:
        self[sample_rate] = MelStft(sample_rate)
        return self[sample_rate]
