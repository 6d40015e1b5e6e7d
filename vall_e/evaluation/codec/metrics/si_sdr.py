"""Scale-invariant signal-to-distortion ratio, Le Roux et al. 2019, "SDR - half-baked or well done?", equation 5."""

from __future__ import annotations

import numpy as np

from vall_e.audio.read import Wave

from .metric import Score
from .pair import Pair


class SiSdr:
    """In dB. A codec that does not keep phases has a low one, however well it sounds."""

    name, title, better, digits, version = "si_sdr", "SI-SDR (dB)", "higher", 2, "1"

    def measure(self, pair: Pair) -> Score | None:
        """None for silence, and where nothing is distorted, as the ratio is infinite."""
        value = si_sdr(pair.original, pair.decoded)
        return Score(value) if np.isfinite(value) else None


def si_sdr(original: Wave, decoded: Wave) -> float:
    """10 log10(|a s|² / |a s - d|²) of s and d float [N], with a = <d, s> / |s|², in dB; no mean is removed.

    It is infinite for d = s, and nan or minus infinite if either is silent.
    """
    s, d = original.astype(np.float64), decoded.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = np.dot(d, s) / np.dot(s, s) * s
        return float(10 * np.log10(np.sum(target**2) / np.sum((target - d) ** 2)))
