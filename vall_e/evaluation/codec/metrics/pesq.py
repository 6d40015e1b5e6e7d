"""PESQ, ITU-T P.862.2 (wide band), through the package `pesq`."""

from __future__ import annotations

from .metric import Score
from .pair import Pair

LOWEST = 1.0
"""Of what is silent, which the package cannot measure."""


class Pesq:
    """From 1.0 to 4.64, on the scale of a mean opinion score."""

    name, title, better, digits, version = "pesq", "PESQ-WB", "higher", 2, "1"

    def measure(self, pair: Pair) -> Score | None:
        """None for silence, and where it finds no speech in the original or has less than a quarter of a second."""
        from pesq import PesqError, pesq

        if pair.is_silent:
            return None
        original, decoded = pair.at_16_khz
        if not decoded.any():
            return Score(LOWEST)
        try:
            return Score(float(pesq(16_000, original, decoded, "wb")))
        except PesqError:
            return None
