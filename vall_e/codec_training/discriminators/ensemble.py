"""All discriminators as one module."""

from __future__ import annotations

from torch import Tensor, nn

from vall_e.config.codec_adversary import AdversaryConfig

from .judgement import Judgement
from .multi_band import BandDiscriminator
from .multi_period import PeriodDiscriminator

QUIET = 1e-3
"""Loudness below which silence stays silence."""


class Discriminators(nn.Module):
    """One for each period and each window. They hear all clips equally loud: what they see of speech as it is, is so
    small beside their biases that they learn nothing for a long time."""

    def __init__(self, cfg: AdversaryConfig) -> None:
        super().__init__()
        periods = (PeriodDiscriminator(period, cfg.width) for period in cfg.periods)
        windows = (BandDiscriminator(window, cfg.width) for window in cfg.windows)
        self.members = nn.ModuleList([*periods, *windows])

    def forward(self, wave: Tensor) -> list[Judgement]:
        """What each says of waveforms [B, N]."""
        loudness = wave.square().mean(dim=1, keepdim=True).add(QUIET**2).sqrt()
        return [member(wave / loudness) for member in self.members]
