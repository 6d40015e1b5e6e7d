"""The state of a training run, copied to main memory so that it can be written while training goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

AVERAGE = "average."


@dataclass(frozen=True)
class Snapshot:
    """Tensors by parameter name, whatever engine and number of ranks they come from.

    weights: of the model; optimizer: `optimizer.<parameter>.<state>`; average: what is exported in place of the
    weights, a moving average or that of a schedule-free optimizer; adapters: `adapter.<name>.<tensor>`.
    counters: everything else, fit for JSON.
    """

    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    adapters: dict[str, Tensor] = field(default_factory=dict)
    counters: dict[str, Any] = field(default_factory=dict)

    @property
    def states(self) -> dict[str, Tensor]:
        """All tensors but the weights."""
        return self.optimizer | self.adapters | {f"{AVERAGE}{name}": tensor for name, tensor in self.average.items()}


def averages(states: dict[str, Tensor]) -> dict[str, Tensor]:
    """The moving averages among the tensors of a checkpoint."""
    return {name.removeprefix(AVERAGE): tensor for name, tensor in states.items() if name.startswith(AVERAGE)}


def copied(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Copies in main memory that training does not change."""
    kept = {
        name: torch.empty_like(tensor, device="cpu", memory_format=torch.contiguous_format).copy_(
            tensor.detach(), non_blocking=True
        )
        for name, tensor in tensors
    }
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return kept
