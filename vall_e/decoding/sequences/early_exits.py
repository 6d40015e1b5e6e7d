"""Sequences that leave the backbone early where the model is sure (LayerSkip, arXiv:2404.16710).

Axes: B sequences and twins, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vall_e.decoding.guidance import Guidance
from vall_e.models.early_exit import EarlyExit
from vall_e.models.exit_rule import ExitRule
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .sequences import Embed, Sequences


class ExitingSequences(Sequences):
    """Sequences whose steps end at the first layer that is sure of its prediction."""

    def __init__(
        self, model: VallE, embed: Embed, steps: int, guidance: Guidance | None, watched: bool, *, rule: ExitRule
    ) -> None:
        super().__init__(model, embed, steps, guidance, watched)
        self.rule = rule
        self.exiting: EarlyExit | None = None

    def admit(self, prefixes: Sequence[ModelInput]) -> None:
        """See `Sequences`."""
        self._complete()
        super().admit(prefixes)

    def step(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """See `Sequences`."""
        if self.exiting is None:
            self.exiting = EarlyExit(
                self.model.model, self.cache, self.rule, lambda hidden: self.read(hidden, range(len(self)))
            )
        logits, _ = self.exiting.step(vectors, positions)
        return logits

    def select(self, kept: Sequence[int]) -> None:
        """See `Sequences`."""
        self._complete()
        super().select(kept)

    def _complete(self) -> None:
        """Compute what waits, as it is of the rows there are."""
        if self.exiting is not None:
            self.exiting.catch_up()
            self.exiting = None
