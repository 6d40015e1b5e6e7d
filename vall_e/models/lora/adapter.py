"""An adapter of a model: one object that all places it is added at share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vall_e.config.lora import LoraConfig

DROPOUT = 0.1
"""Of what goes into the low-rank product of an adapter in training."""


@dataclass(eq=False)
class Adapter:
    """Settings and state of one adapter.

    levels: RVQ levels at which it speaks, [] for all; enabled: whether it is wanted at all; here: whether it speaks at
    the level that is being decoded; names: of its tensors in the model, by their names in its file.
    """

    name: str
    cfg: LoraConfig
    levels: list[int] = field(default_factory=list)
    enabled: bool = True
    here: bool = True
    names: dict[str, str] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether the model is computed with it."""
        return self.enabled and self.here

    @property
    def settings(self) -> LoraConfig:
        """Its settings with the levels at which it speaks, as its file tells them."""
        return replace(self.cfg, rvq_levels=list(self.levels), path=None)

    @property
    def scale(self) -> float:
        """What the low-rank product is multiplied by."""
        return self.cfg.alpha / self.cfg.rank

    @property
    def dropout(self) -> float:
        """Of training; none in an adapter that is not trained itself."""
        return DROPOUT if self.cfg.training else 0.0
