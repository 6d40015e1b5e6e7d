"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """average <- decay * average + (1 - decay) * weights after every step (Polyak and Juditsky, 1992), in float32."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self._decay = decay
        self._parameters = dict(parameters)
        self.tensors: dict[str, Tensor] = {name: p.detach().float().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, decay: float | None = None) -> None:
        """Take the weights as they are now into the average; `decay` is that of this step, if it is another."""
        kept = self._decay if decay is None else decay
        weights = [p.detach().float() for p in self._parameters.values()]
        torch._foreach_lerp_(list(self.tensors.values()), weights, 1 - kept)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from saved averages; a parameter without one starts from its weights."""
        for name, own in self.tensors.items():
            own.copy_(tensors.get(name, self._parameters[name].detach()))

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Inside the block the model has the averages for weights."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._write(self.tensors)
        try:
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, tensors: dict[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(tensors[name])
