"""Settings of the discriminators that the built-in codec is trained against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting

OBJECTIVES = ("least_squares", "hinge")


@dataclass(kw_only=True)
class AdversaryConfig:
    """Discriminators: when they come, what they look at, and their size."""

    start: int | None = setting(
        None, "Step from which discriminators steer the codec; null trains without any.", at_least=0
    )
    warmup: int = setting(500, "Steps before `start` in which they learn alone.", at_least=0)
    objective: str = setting("least_squares", "How they are trained.", allowed=OBJECTIVES)
    learning_rate: float = setting(1e-3, "Learning rate of their AdamW, the same in every step.", above=0)
    crop_seconds: float = setting(0.4, "Length of what they hear of each clip.", at_least=0.05, at_most=30)
    periods: list[int] = setting(
        [2, 3, 5, 7, 11], "Periods in samples by which discriminators fold the waveform; [] has none.", at_least=2
    )
    windows: list[int] = setting(
        [1024, 512], "Windows in samples of the spectra that discriminators see in bands; [] has none.", at_least=64
    )
    width: int = setting(8, "Channels of their first layers; deeper ones have up to eight times as many.", at_least=1)

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.start is not None and not (self.periods or self.windows):
            yield "start is set, but periods=[] and windows=[] leave no discriminator"
        if any(window % 4 for window in self.windows):
            yield f"windows={self.windows} are not all multiples of 4"

    @property
    def learns_from(self) -> int | None:
        """The step in which the discriminators begin to learn."""
        return None if self.start is None else max(0, self.start - self.warmup)
