"""Which layers learn to be exits, and how much (LayerSkip, arXiv:2404.16710).

Axes: N layers, R exits of a step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

from .loss import LossOutput

KEY = "early_exit."
NO_EXITS: Mapping[int, float] = MappingProxyType({})


def exits_at(step: int, layers: int, count: int) -> frozenset[int]:
    """The curriculum: layers l for which C(l, t) = 1, {((t mod N) + i * floor(N / R)) mod N, i < R}."""
    return frozenset((step % layers + i * (layers // count)) % layers for i in range(count))


def exit_scale(layer: int, scale: float) -> float:
    """e(l) = scale * sum of i < l: later exits weigh more."""
    return scale * sum(range(layer))


def exit_weights(step: int, layers: int, count: int, scale: float) -> dict[int, float]:
    """Weight of each exit of a step, C e / sum of C e; exits that weigh nothing, such as the first two, are left out.

    As they are made to sum to 1, `scale` says nothing but whether there are any.
    """
    scales = {layer: exit_scale(layer, scale) for layer in sorted(exits_at(step, layers, count))}
    total = sum(scales.values())
    return {layer: weight / total for layer, weight in scales.items() if weight}


def with_early_exits(
    output: LossOutput, exits: Mapping[int, float], read: Callable[[int], Mapping[str, Tensor]]
) -> LossOutput:
    """The loss of the last layer with that of exits, whose parts are called `early_exit.<key>`; as is without any.

    exits: weights by layer; read: the parts of a layer's own loss.
    """
    parts: dict[str, Tensor] = defaultdict(lambda: output.loss.new_zeros(()))
    for layer, weight in exits.items():
        for key, part in read(layer).items():
            parts[KEY + key] = parts[KEY + key] + weight * part.to(output.loss.device)
    return LossOutput(sum(parts.values(), output.loss), output.parts | parts, output.stats)
