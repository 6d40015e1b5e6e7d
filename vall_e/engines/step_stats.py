"""The numbers of an optimizer step, gathered over micro-batches and ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vall_e.models.loss import LossOutput


@dataclass
class StepStats:
    """Sums over micro-batches: of every number times its weight, and of the weights."""

    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    weights: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    positions: int = 0
    samples: int = 0

    def means(self) -> dict[str, float]:
        """Weighted mean of every number."""
        return {name: value / self.weights[name] for name, value in self.sums.items()}


class StatsCollector:
    """Keeps what micro-batches told on their device until the end of a step, so that no step waits in between."""

    def __init__(self) -> None:
        self._names: list[tuple[str, float]] = []
        self._values: list[Tensor] = []
        self._samples = 0

    def add(self, output: LossOutput, share: float, samples: int) -> None:
        """Take the numbers of a micro-batch that has `share` of the step's loss."""
        self._samples += samples
        for name, value in {"loss": output.loss, **output.parts, **output.stats}.items():
            self._names.append((name, share))
            self._values.append(value.detach().double().to(output.loss.device))

    def collected(self) -> StepStats:
        """All numbers at once."""
        found = StepStats(samples=self._samples)
        values = torch.stack(self._values).tolist() if self._values else []
        for (name, share), value in zip(self._names, values, strict=True):
            if name == "positions":
                found.positions += int(value)
                continue
            found.sums[name] += share * value
            found.weights[name] += share
        return found


def merged(parts: Iterable[StepStats]) -> StepStats:
    """The numbers of all ranks as those of one."""
    total = StepStats()
    for part in parts:
        total.positions += part.positions
        total.samples += part.samples
        for name, value in part.sums.items():
            total.sums[name] += value
            total.weights[name] += part.weights[name]
    return total
