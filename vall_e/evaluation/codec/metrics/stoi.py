"""Short-time objective intelligibility, Taal et al. 2011, through the package `pystoi`."""

from __future__ import annotations

import warnings

from .metric import Score
from .pair import Pair


class Stoi:
    """From 0 to 1. It looks at what lies below 5 kHz."""

    name, title, better, digits, version = "stoi", "STOI", "higher", 3, "1"

    def measure(self, pair: Pair) -> Score | None:
        """None for silence, and where less than 0.4 s are loud enough."""
        from pystoi import stoi

        if pair.is_silent:
            return None
        original, decoded = pair.at_16_khz
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
            try:
                return Score(float(stoi(original, decoded, 16_000)))
            except RuntimeWarning:
                return None
