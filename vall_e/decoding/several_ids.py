"""Several ids a step, for models of a `causal_size` above 1: each is predicted so many positions before it stands."""

from __future__ import annotations

from collections.abc import Sequence

from vall_e.models.layout import Layout


def places_of_next(layout: Layout) -> range:
    """Positions of a sequence at which its next `causal_size` ids are read, in their order: the last ones."""
    return range(max(0, layout.length - layout.causal_size), layout.length)


def until_stop(said: Sequence[int], chosen: Sequence[int], stop: int, longest: int) -> tuple[list[int], bool]:
    """The ids `said` with those `chosen` in a step behind them, and whether they end: at `stop` or at `longest` ids."""
    ids = [*said, *chosen]
    whole = ids[: ids.index(stop)] if stop in chosen else ids
    return whole[:longest], stop in chosen or len(whole) >= longest
