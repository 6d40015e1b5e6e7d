"""Settings of what is done to clips before the built-in codec hears them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting

RANGES = ("speed_range", "gain_db", "reverberation_seconds", "noise_snr_db", "band_limit_hz")


@dataclass(kw_only=True)
class AugmentationConfig:
    """Chances and ranges; what is done to a clip belongs to what the codec has to code.

    In this order: speed, reverberation, noise, band limit, gain.
    """

    speed: float = setting(
        0.5, "Share of the clips that are played faster or slower, as other voices.", at_least=0, at_most=1
    )
    speed_range: list[float] = setting([0.8, 1.25], "How many times as fast, from and to.", at_least=0.25, at_most=4)
    gain: float = setting(1.0, "Share of the clips whose loudness is changed.", at_least=0, at_most=1)
    gain_db: list[float] = setting([-12.0, 2.0], "By how many decibels, from and to.")
    reverberation: float = setting(0.1, "Share of the clips that are put into a room.", at_least=0, at_most=1)
    reverberation_seconds: list[float] = setting(
        [0.1, 0.8], "Seconds in which its sound dies away by 60 dB, from and to.", above=0, at_most=10
    )
    noise: float = setting(
        0.2, "Share of the clips that get noise: white, pink or another clip, each as often.", at_least=0, at_most=1
    )
    noise_snr_db: list[float] = setting([5.0, 30.0], "Decibels of the clip above its noise, from and to.")
    band_limit: float = setting(0.1, "Share of the clips that lose their high frequencies.", at_least=0, at_most=1)
    band_limit_hz: list[float] = setting(
        [3400.0, 8000.0], "Frequency above which nothing is left, from and to.", at_least=500, at_most=12_000
    )

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        for name in RANGES:
            bounds = getattr(self, name)
            if len(bounds) != 2 or bounds[0] > bounds[1]:
                yield f"{name}={bounds} must be two numbers, the lower first"
