"""When a model is sure enough to leave the backbone early (LayerSkip, arXiv:2404.16710).

Axes: B rows, T positions that are read, V ids of a head, N layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from vall_e.config.sampling import SamplingConfig


def entropies(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy H = -sum p log2 p in bits, and varentropy sum p (log2 p + H)^2: [..., V] -> [...] each."""
    bits = log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), -1) / math.log(2)
    p = bits.exp2()
    bits = bits.masked_fill(p == 0, 0.0)
    entropy = -(p * bits).sum(-1)
    return entropy, (p * (bits + entropy[..., None]).square()).sum(-1)


@dataclass(frozen=True)
class ExitRule:
    """When the layers that follow are left out.

    layers: N; latest: the layer, counted from 0, that is the last one computed in any case, if any; entropy,
    varentropy: both are at most this, in bits and their squares, where the model is sure.
    """

    layers: int
    latest: int | None = None
    entropy: float = 0.1
    varentropy: float = 0.1

    @property
    def exits(self) -> range:
        """After how many layers to look: not before half of them, and after the last."""
        return range(max(1, self.layers // 2), self.layers + 1)

    def leaves(self, done: int, logits: Tensor) -> Tensor:
        """Whether what is read as logits [B, T, V] after `done` layers is final: bool [B].

        Nothing is before half of the layers, everything is after layer `latest` and after the last. In between the
        mean over positions counts.
        """
        if done < self.layers // 2:
            return torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        if done == self.layers or (self.latest is not None and done > self.latest):
            return torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        entropy, varentropy = (value.mean(-1) for value in entropies(logits))
        return (entropy <= self.entropy) & (varentropy <= self.varentropy)


def exit_rule(sampling: SamplingConfig, layers: int) -> ExitRule | None:
    """The rule that the settings ask for, for a backbone of so many layers; None if it is computed in full."""
    thresholds = (sampling.layer_skip_entropy_threshold, sampling.layer_skip_varentropy_threshold)
    return ExitRule(layers, sampling.layer_skip_exit_layer, *thresholds) if sampling.layer_skip else None
