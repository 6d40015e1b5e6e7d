"""Layers that keep a state of fixed size of what they have seen: over packed sequences, or a position at a time.

Axes: S positions of all sequences together, B rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from .backbone import Backbone

State = tuple[Tensor, ...]
"""What a layer keeps of each row: [B, ...] each."""


class Recurrence:
    """A pass over sequences end to end, or over a few new positions of each row, as many of all.

    lengths: positions of each sequence; states: where layers keep their state, if it is asked for; seen: int64 [B],
    positions of each row before the new ones, where sequences have begun.
    """

    def __init__(
        self, lengths: Sequence[int], states: dict[int, State] | None = None, seen: Tensor | None = None
    ) -> None:
        self.lengths, self.states, self.seen = list(lengths), states, seen

    @property
    def keeps(self) -> bool:
        """Whether layers shall `keep` their state."""
        return self.states is not None

    def begun(self, layer: int) -> State | None:
        """The state before new positions; None where sequences begin."""
        return self.states[layer] if self.states is not None and self.seen is not None else None

    def keep(self, layer: int, state: State) -> None:
        """Keep the state after the pass; that of sequences that begin follows those of the rows there are."""
        if self.states is None:
            return
        if self.seen is None and layer in self.states:
            state = tuple(torch.cat(parts) for parts in zip(self.states[layer], state, strict=True))
        self.states[layer] = state

    def places(self, device: torch.device) -> Tensor:
        """Place of each position in its sequence: int64 [S]."""
        if self.seen is not None:
            return (self.seen.to(device)[:, None] + torch.arange(self.lengths[0], device=device)).flatten()
        return torch.cat([torch.arange(length, device=device) for length in self.lengths])

    def steps(self, *parts: Tensor) -> Iterator[tuple[Any, ...]]:
        """Parts [S, ...] of a few new positions of each row, one position after another: [B, ...] each."""
        return zip(*(by_row(part, len(self.lengths)).unbind(1) for part in parts), strict=True)


class RecurrentCache:
    """The states of all layers, and how many positions of each row they are of."""

    def __init__(self, device: torch.device) -> None:
        self.states: dict[int, State] = {}
        self.seen = torch.zeros(0, dtype=torch.int64, device=device)

    def admit(self, lengths: Sequence[int]) -> Recurrence:
        """See `Cache`."""
        self.seen = torch.cat([self.seen, torch.tensor(lengths, device=self.seen.device)])
        return Recurrence(lengths, self.states)

    def step(self) -> Recurrence:
        """See `Cache`."""
        self.seen = self.seen + 1
        return self.again(1)

    def again(self, count: int) -> Recurrence:
        """See `Cache`."""
        return Recurrence([count] * len(self.seen), self.states, self.seen - count)

    def select(self, rows: Sequence[int]) -> None:
        """See `Cache`."""
        kept = torch.tensor(rows, dtype=torch.int64, device=self.seen.device)
        self.seen = self.seen[kept]
        self.states = {layer: tuple(part[kept] for part in state) for layer, state in self.states.items()}


class RecurrentBackbone(Backbone[Recurrence]):
    """Layers lie in `layers`; every pass is causal."""

    layers: nn.ModuleList

    @property
    def stack(self) -> nn.ModuleList:
        """See `Backbone`."""
        return self.layers

    def packed(self, lengths: Sequence[int], causal: Sequence[bool]) -> Recurrence:
        """See `Backbone`; `causal` has no say."""
        return Recurrence(lengths)

    def cache(self, places: int, like: Tensor) -> RecurrentCache:
        """See `Backbone`; it takes the same room whatever `places` is."""
        return RecurrentCache(like.device)


def by_row(x: Tensor, rows: int) -> Tensor:
    """Positions of rows end to end, as many of all: [S, ...] -> [rows, S / rows, ...]."""
    return x.reshape(rows, -1, *x.shape[1:])


def precise(x: Tensor) -> Tensor:
    """`x` in float32, or in float64 if it is."""
    return x if x.dtype is torch.float64 else x.float()


def unrounded(device: torch.device) -> AbstractContextManager[None]:
    """A context without mixed precision: sums over a whole sequence want all digits."""
    return torch.autocast(device.type, enabled=False)
