"""A discriminator of the complex spectrum, each band by layers of its own (DAC, arXiv:2306.06546, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .judgement import Judgement, activations, convolution

BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Edges, as shares of the bins."""
STRIDES = (2, 2, 2, 1)
"""Over frequency."""


class BandDiscriminator(nn.Module):
    """Sees real and imaginary parts: [B, N] -> [B, 2, T, bins], in five bands that meet in the last layer."""

    def __init__(self, window: int, width: int) -> None:
        super().__init__()
        self.window = window
        bins = window // 2 + 1
        self.edges = [round(share * bins) for share in BANDS]
        self.bands = nn.ModuleList(_band_layers(width) for _ in BANDS[1:])
        self.score = convolution(width, 1, (3, 3))

    def forward(self, wave: Tensor) -> Judgement:
        x = self._spectrum(wave.float())
        edges = zip(self.edges, self.edges[1:], strict=False)
        seen = [
            activations(layers, x[..., low:high])  # type: ignore[arg-type]
            for layers, (low, high) in zip(self.bands, edges, strict=True)
        ]
        features = [feature for band in seen for feature in band]
        return Judgement(self.score(torch.cat([band[-1] for band in seen], -1)), features)

    def _spectrum(self, wave: Tensor) -> Tensor:
        shape = torch.hann_window(self.window, device=wave.device)
        spectrum = torch.stft(wave, self.window, self.window // 4, window=shape, normalized=True, return_complex=True)
        return torch.view_as_real(spectrum).permute(0, 3, 2, 1)


def _band_layers(width: int) -> nn.ModuleList:
    inputs = [2, *[width] * (len(STRIDES) - 1)]
    return nn.ModuleList(
        convolution(count, width, (3, 9), (1, stride)) for count, stride in zip(inputs, STRIDES, strict=True)
    )
