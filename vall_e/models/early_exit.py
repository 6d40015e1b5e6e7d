"""Leaving the backbone early where the model is sure of what it predicts (LayerSkip, arXiv:2404.16710).

Axes: B rows, S packed positions, T positions of each row, d model width, V ids of a head.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .backbones.backbone import Backbone, Cache
from .exit_rule import ExitRule


class EarlyExit:
    """Steps of decoding through a cache, in which every row is read where it is first sure.

    Layers go on until all rows are sure, so a row's logits do not depend on the others. Later tokens have to see, in
    the layers above, those that left early: hidden states wait where they left, and when a token goes further they
    catch up in the same pass. So the cache always holds what the whole backbone would have put there.
    """

    def __init__(
        self, backbone: Backbone[Any], cache: Cache[Any], rule: ExitRule, read: Callable[[Tensor], Tensor]
    ) -> None:
        """cache: filled with the prefixes of all rows, by all layers; read: hidden states [B, d] -> logits [B, V]."""
        self.backbone, self.cache, self.rule, self.read = backbone, cache, rule, read
        self._waiting: dict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def step(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """One new position of each row: embeddings [B, d], int64 [B] -> logits [B, V], layers they took, int64 [B]."""
        told, done = {1: self.cache.step()}, 0
        block, places = x[:, None], positions[:, None]
        undecided = torch.ones(len(x), dtype=torch.bool, device=x.device)
        logits, depth = x.new_zeros(()), torch.zeros_like(positions)
        for end in self.rule.exits:
            block, places = self._run(block, places, range(done, end), told)
            done = end
            found = self.read(self.backbone.leave(block[:, -1]))
            logits = torch.where(undecided[:, None], found, logits)
            depth = torch.where(undecided, end, depth)
            undecided &= ~self.rule.leaves(end, found[:, None]).to(undecided.device)
            if not undecided.any():
                break
        self._wait(done, block, places)
        return logits, depth

    def catch_up(self) -> None:
        """Have all layers compute what waits, so that the cache can be used without this."""
        told: dict[int, Any] = {}
        for layer in range(self.rule.layers):
            if waiting := self._waiting.pop(layer, None):
                block, places = (torch.cat(parts, 1) for parts in zip(*waiting, strict=True))
                self._wait(layer + 1, *self._run(block, places, range(layer, layer + 1), told))

    def _run(self, block: Tensor, places: Tensor, layers: range, told: dict[int, Any]) -> tuple[Tensor, Tensor]:
        """The last positions of each row, [B, T, d] and [B, T], through some layers, after those that wait for them.

        told: by T, what layers are told of the pass.
        """
        parts = [*self._waiting.pop(layers.start, []), (block, places)]
        block, places = (torch.cat(part, 1) for part in zip(*parts, strict=True))
        rows, count = places.shape
        if count not in told:
            told[count] = self.cache.again(count)
        x, _ = self.backbone.run(block.flatten(0, 1), places.flatten(), told[count], layers)
        return x.reshape(rows, count, -1), places

    def _wait(self, done: int, block: Tensor, places: Tensor) -> None:
        if done < self.rule.layers:
            self._waiting[done].append((block, places))
