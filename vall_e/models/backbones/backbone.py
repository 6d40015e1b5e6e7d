"""What lies between embeddings and heads: one signature for layers of every kind.

Axes: S positions of all sequences together, d model width.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
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

    def step(self) -> W_co:
        """For a pass over one new position of each row, by which every row becomes one longer."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; one may stand several times."""
        ...

    def again(self, count: int) -> W_co:
        """For a pass of layers that have not seen them over the last `count` positions of each row, row by row."""
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

    def enter(self, x: Tensor, positions: Tensor) -> Tensor:
        """The input of the first layer from embeddings."""
        return x

    def shared(self, positions: Tensor, within: W) -> Any:
        """What all layers share."""
        return None

    @abstractmethod
    def leave(self, x: Tensor) -> Tensor:
        """Hidden states, normalised if the backbone does, from the output of the last layer or of one before it."""

    def forward(
        self, x: Tensor, positions: Tensor, within: W, skipped: Collection[int] = ()
    ) -> tuple[Tensor, list[Tensor]]:
        """x [S, d], positions int64 [S] -> hidden states [S, d], and the balance loss of each layer that has one.

        Layers in `skipped` are left out.
        """
        x, losses = self.run(x, positions, within, range(len(self.stack)), skipped)
        return self.leave(x), losses

    def run(
        self, x: Tensor, positions: Tensor, within: W, layers: range, skipped: Collection[int] = ()
    ) -> tuple[Tensor, list[Tensor]]:
        """A part of the layers: x [S, d] -> what the last of them puts out [S, d], before `leave`; balance losses.

        x: embeddings for a part from layer 0 on, else the output of the layer before. Parts that follow each other,
        told the same positions and `within`, compute what the whole does; each fills the cache for its own layers.
        """
        checkpointing = self.checkpointing if self.training else Checkpointing()
        x, positions = (tensor.to(self._device(layers)) for tensor in (x, positions))
        x = self.enter(x, positions) if layers.start == 0 else x
        shared, losses = self.shared(positions, within), list[Tensor]()
        for index in layers:
            if index in skipped:
                continue
            output = checkpointing.run(self.stack[index], index, x, shared, within, index)
            x, *balance = output if isinstance(output, tuple) else (output,)
            losses += balance
        return x, losses

    def states(
        self, x: Tensor, positions: Tensor, within: W, exits: Collection[int], skipped: Collection[int] = ()
    ) -> tuple[dict[int, Tensor], list[Tensor]]:
        """`forward` that looks in at early exits: hidden states [S, d] after each layer of `exits` and after the last.

        A layer that is both skipped and an exit has the state of the layer before.
        """
        found: dict[int, Tensor] = {}
        losses: list[Tensor] = []
        begun = 0
        for end in sorted({*(index + 1 for index in exits), len(self.stack)}):
            x, balance = self.run(x, positions, within, range(begun, end), skipped)
            found[end - 1], begun = self.leave(x), end
            losses += balance
        return found, losses

    def _device(self, layers: range) -> torch.device:
        """Where the first of these layers lies."""
        index = min(layers.start, len(self.stack) - 1)
        return next(self.stack[index].parameters()).device

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
