"""Colours of runs: one of eight, and dashes for the runs beyond them."""

from __future__ import annotations

ON_WHITE = ("#1f6fb4", "#d1600f", "#2a8c3c", "#b5179e", "#6a4fc4", "#8a5a2b", "#0a8a94", "#6b7280")
ON_BLACK = ("#6cb4f5", "#ff9f50", "#6fd08c", "#f48fe0", "#b3a1ff", "#d8ab7a", "#5fd6df", "#b6bdc7")
DASHES = ((), (6, 3), (2, 2), (8, 3, 2, 3))


def colour(run: int) -> int:
    """Place of a run's colour in either palette."""
    return run % len(ON_WHITE)


def dashes(run: int) -> tuple[int, ...]:
    """Lengths of strokes and gaps, in points; none for a solid line."""
    return DASHES[run // len(ON_WHITE) % len(DASHES)]
