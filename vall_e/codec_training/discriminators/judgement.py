"""What a discriminator says of waveforms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1


@dataclass(frozen=True)
class Judgement:
    """score: for each place of each waveform, higher for speech; features: activations of each layer."""

    score: Tensor
    features: list[Tensor]

    def float(self) -> Judgement:
        """The same in float32."""
        return Judgement(self.score.float(), [feature.float() for feature in self.features])


def convolution(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Module:
    """A convolution that keeps the size of its input but for the stride, its weights normalised (arXiv:1602.07868)."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    normalised: nn.Module = weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding))
    return normalised


def activations(layers: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """The activations of one layer after another."""
    found = []
    for layer in layers:
        x = leaky_relu(layer(x), SLOPE)
        found.append(x)
    return found
