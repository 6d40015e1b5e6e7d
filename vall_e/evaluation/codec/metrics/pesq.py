"""PESQ, ITU-T P.862.2 (wide band), through the package `pesq`."""

from __future__ import annotations

from .metric import Score
from .pair import Pair


class Pesq:
    """From 1.0 to 4.64, on the scale of a mean opinion score."""

    name, title, better, digits, version = "pesq", "PESQ-WB", "higher", 2, "1"

    def measure(self, pair: Pair) -> Score | None:
        """None where it finds no speech, or less than a quarter of a second."""
        from pesq import PesqError, pesq

        original, decoded = pair.at_16_khz
        if not original.any() or not decoded.any():
            return None
        try:
            return Score(float(pesq(16_000, original, decoded, "wb")))
        except PesqError:
            return None
