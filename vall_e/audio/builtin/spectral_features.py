"""What the encoder hears: a log-mel spectrum, and the complex spectrum with its magnitudes compressed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FLOOR = 1e-5
"""Smallest mel magnitude."""
POWER = 0.3
"""Exponent of the complex spectrum's magnitudes, about that of loudness."""
QUIET = 1e-4
"""Magnitude below which compression ends, so that silence stays silent."""


class SpectralFeatures(nn.Module):
    """One frame per hop of natural-log mel bands, real parts and imaginary parts: [B, N] -> [B, channels, N / hop]."""

    window: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, hop: int, window: int, mels: int) -> None:
        super().__init__()
        self.hop, self.n_fft = hop, window
        self.channels = mels + 2 * (window // 2 + 1)
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.register_buffer("filters", mel_filters(sample_rate, window, mels), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        spectrum = self.spectrum(wave)
        magnitude = spectrum.abs()
        bands = (self.filters @ magnitude).clamp_min(FLOOR).log()
        compressed = spectrum * (magnitude + QUIET).pow(POWER - 1)
        return torch.cat([bands, compressed.real, compressed.imag], dim=1)

    def spectrum(self, wave: Tensor) -> Tensor:
        """[B, N], N a multiple of the hop -> complex64 [B, window / 2 + 1, N / hop]."""
        return torch.stft(wave, self.n_fft, self.hop, window=self.window, return_complex=True)[..., :-1]


def mel_filters(sample_rate: int, n_fft: int, mels: int) -> Tensor:
    """Triangular filters on the HTK mel scale, [mels, n_fft / 2 + 1], each peaking at one."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, mels + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp_min(0)
