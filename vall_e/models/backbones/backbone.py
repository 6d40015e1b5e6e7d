"""What lies between embeddings and heads: one signature for layers of every kind.

Axes: S positions of all sequences together, d model width.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor, nn

from vall_e.config.model import ModelConfig

from .checkpointing import Checkpointing

W = TypeVar("W")
W_co = TypeVar("W_co", covariant=True)


class Cache(Protocol[W_co]):
    """What layers keep of each row between the steps of decoding. Rows are numbered from 0."""

    def admit(self, lengths: Sequence[int]) -> W_co:
        """For a causal pass over the prefixes of new rows, end to end, which follow those there are."""
        ...

    def step(self, count: int = 1) -> W_co:
        """For a pass over `count` new positions of each row, by which every row becomes so much longer."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; one may stand several times."""
        ...


class Backbone(nn.Module, ABC, Generic[W]):
    """Hidden states of packed sequences.

    How positions of a sequence come to know of each other is up to the layers; `W` is what they are told of a pass:
    by `packed` where sequences are computed at once, by a `cache` where they grow.
    """

    compiled: ClassVar[tuple[type[nn.Module], ...]] = ()
    """Modules that `compile_mlps` compiles."""

    def __init__(self, cfg: ModelConfig, layers: int | None = None) -> None:
        super().__init__()
        self.skip_chances = layer_dropout_chances(layers or cfg.dimensions.layers, cfg.experimental.layerskip_p_max)
        self.checkpointing = Checkpointing()

    @property
    @abstractmethod
    def stack(self) -> nn.ModuleList:
        """The layers in order, each called as layer(x, shared, within, index)."""

    @abstractmethod
    def packed(self, lengths: Sequence[int], causal: Sequence[bool]) -> W:
        """For a pass over whole sequences, each of which sees itself alone, causally or in full."""

    @abstractmethod
    def cache(self, places: int, like: Tensor) -> Cache[W]:
        """A cache without rows; each is to have about `places` positions, on the device and of the type of `like`."""

    def enter(self, x: Tensor, positions: Tensor, within: W) -> tuple[Tensor, Any]:
        """The input of the first layer, and what all layers share."""
        return x, None

    @abstractmethod
    def leave(self, x: Tensor) -> Tensor:
        """Hidden states from the output of the last layer."""

    def forward(
        self, x: Tensor, positions: Tensor, within: W, skipped: Collection[int] = ()
    ) -> tuple[Tensor, list[Tensor]]:
        """x [S, d], positions int64 [S] -> hidden states [S, d], and the balance loss of each layer that has one.

        Layers in `skipped` are left out.
        """
        checkpointing = self.checkpointing if self.training else Checkpointing()
        x, shared = self.enter(x, positions, within)
        losses: list[Tensor] = []
        for index, layer in enumerate(self.stack):
            if index in skipped:
                continue
            output = checkpointing.run(layer, index, x, shared, within, index)
            x, *balance = output if isinstance(output, tuple) else (output,)
            losses += balance
        return self.leave(x), losses

    def compile_mlps(self, backend: str) -> None:
        """Compile the MLP of every layer with a backend of torch.compile, for any number of positions."""
        for module in self.modules():
            if isinstance(module, self.compiled):
                module.compile(dynamic=True, backend=backend)


def layer_dropout_chances(layers: int, highest: float) -> list[float]:
    """Chance to skip each layer in training: highest * (2^(l / (N - 1)) - 1) (LayerSkip, arXiv:2404.16710)."""
    return [highest * (math.exp(index * math.log(2) / max(1, layers - 1)) - 1) for index in range(layers)]


def draw_linears(backbone: nn.Module) -> None:
    """Draw the weights of all linear maps anew from N(0, 0.02); biases become 0."""
    for module in backbone.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
