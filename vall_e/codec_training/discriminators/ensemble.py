"""All discriminators as one module."""

from __future__ import annotations

from torch import Tensor, nn

from vall_e.config.codec_adversary import AdversaryConfig

from .judgement import Judgement
from .multi_band import BandDiscriminator
from .multi_period import PeriodDiscriminator


class Discriminators(nn.Module):
    """One for each period and each window."""

    def __init__(self, cfg: AdversaryConfig) -> None:
        super().__init__()
        periods = (PeriodDiscriminator(period, cfg.width) for period in cfg.periods)
        windows = (BandDiscriminator(window, cfg.width) for window in cfg.windows)
        self.members = nn.ModuleList([*periods, *windows])

    def forward(self, wave: Tensor) -> list[Judgement]:
        """What each says of waveforms [B, N]."""
        return [member(wave) for member in self.members]
