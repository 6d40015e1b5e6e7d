"""Linear layers of BitNet: weights of one bit and a scale, inputs of eight bits (arXiv:2310.11453, section 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm

LEVELS = 127
"""Largest magnitude of an input of eight bits."""


class BitLinear(nn.Linear):
    """A linear layer that multiplies what its weights and inputs are rounded to; gradients pass the rounding as is."""

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        normalised = rms_norm(inputs, (self.in_features,))
        return linear(straight_through(normalised, eight_bits(normalised)), self.binary_weight(), self.bias)

    def binary_weight(self) -> Tensor:
        """[out, in] of +-s, with gradients to the weights themselves."""
        return straight_through(self.weight, one_bit(self.weight))


def one_bit(weight: Tensor) -> Tensor:
    """sign(w - mean(w)) * mean(|w|)."""
    centred = weight - weight.mean()
    return torch.where(centred >= 0, 1.0, -1.0).to(weight.dtype) * weight.abs().mean()


def eight_bits(inputs: Tensor) -> Tensor:
    """Inputs rounded to 255 steps between -max and max of each token."""
    scale = LEVELS / inputs.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    return (inputs * scale).round().clamp(-LEVELS - 1, LEVELS) / scale


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """The value of `rounded` with the gradient of `exact` (Bengio et al., arXiv:1308.3432)."""
    return exact + (rounded - exact).detach()
