"""What a metric is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .pair import Pair


class Score(NamedTuple):
    """A value, and how much it counts in a mean: 1, or the words of an utterance in a word error rate."""

    value: float
    weight: float = 1.0


class Metric(Protocol):
    """Measures what a codec has done to an utterance."""

    @property
    def name(self) -> str:
        """As it is set in `metrics`."""
        ...

    @property
    def title(self) -> str:
        """As it stands above a column."""
        ...

    @property
    def better(self) -> str:
        """`higher` or `lower`."""
        ...

    @property
    def digits(self) -> int:
        """Digits behind the point that are worth showing."""
        ...

    @property
    def version(self) -> str:
        """Tells apart what gives other values: changes with the model or the settings behind a metric."""
        ...

    def measure(self, pair: Pair) -> Score | None:
        """The score of a pair, always finite; None where there is none, as of silence."""
        ...
