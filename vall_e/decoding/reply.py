"""How a sequence goes on, and who decides. B sequences that are running, V ids of a head, H heads, S places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor


@dataclass
class Reply:
    """The `ids` that continue one sequence; it has `ended` when it said `stop` or had as many as `longest`.

    index: which of the prefixes it continues; attention: float32 [H, S], that of its newest position, if it is watched.
    """

    index: int
    stop: int
    longest: int
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    attention: Tensor | None = None

    def hear(self, id: int) -> None:
        """Go on with an id."""
        if id != self.stop:
            self.ids.append(id)
        self.ended = id == self.stop or len(self.ids) >= self.longest

    def imagined(self) -> Reply:
        """A copy that may hear what is not certain."""
        return replace(self, ids=list(self.ids))


Choose = Callable[[Tensor, Sequence[Reply]], Sequence[int]]
"""(logits float32 [B, V], the replies they are for) -> the next id of each; the same for the same."""
