"""A discriminator of the waveform folded by a period (HiFi-GAN, arXiv:2010.05646, section 2.3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from .judgement import Judgement, activations, convolution

GROWTH = (1, 4, 8, 8)
"""Channels of each layer, in widths."""


class PeriodDiscriminator(nn.Module):
    """Sees samples that lie a period apart: [B, N] -> [B, 1, N / period, period], convolved along the time alone."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        channels = [1, *(width * factor for factor in GROWTH)]
        strides = [3] * (len(GROWTH) - 1) + [1]
        self.layers = nn.ModuleList(
            convolution(inputs, outputs, (5, 1), (stride, 1))
            for inputs, outputs, stride in zip(channels, channels[1:], strides, strict=False)
        )
        self.score = convolution(channels[-1], 1, (3, 1))

    def forward(self, wave: Tensor) -> Judgement:
        missing = -wave.shape[1] % self.period
        folded = pad(wave, (0, missing)).view(len(wave), 1, -1, self.period)
        features = activations(self.layers, folded)
        return Judgement(self.score(features[-1]), features)
