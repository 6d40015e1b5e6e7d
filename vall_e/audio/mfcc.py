"""Mel-frequency cepstral coefficients: the shape of a spectrum in a few numbers (Davis and Mermelstein, 1980)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .builtin.spectral_features import mel_filters

WINDOW_SECONDS = 0.04
MELS = 40


def mfcc(wave: Tensor, sample_rate: int, coefficients: int) -> Tensor:
    """Of float32 [N]: [T, coefficients], from the first, which is loudness."""
    window = round(WINDOW_SECONDS * sample_rate)
    padded = F.pad(wave, (0, max(0, window - len(wave))))  # what is shorter than a window
    frames = torch.stft(padded, window, window // 2, window=torch.hann_window(window), return_complex=True)
    mel = (mel_filters(sample_rate, window, MELS) @ frames.abs()).clamp_min(1e-5).log()
    # DCT-II: cosines of rising frequency over the mel bands.
    bands = (torch.arange(MELS) + 0.5) * math.pi / MELS
    return (torch.cos(torch.arange(coefficients)[:, None] * bands) @ mel).T
