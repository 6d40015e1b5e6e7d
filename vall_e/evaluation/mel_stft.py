"""The distance between two waves that evaluation reports."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FFT_SIZE = 1024
HOP_SIZE = 256
MELS = 128


class MelStft:
    """Distance of mel spectra: auraloss' MelSTFTLoss with fft 1024, hop 256, Hann window 1024 and 128 mels.

    It is the sum of the spectral convergence |target - output| / |target| (Frobenius norms) and of the mean absolute
    difference of the logarithms of the magnitudes, each with weight 1. 0 means equal, there is no upper bound.
    """

    def __init__(self, sample_rate: int) -> None:
        from auraloss.freq import MelSTFTLoss  # brings librosa, which a run that never evaluates need not wait for

        self._loss = MelSTFTLoss(
            sample_rate,
            fft_size=FFT_SIZE,
            hop_size=HOP_SIZE,
            win_length=FFT_SIZE,
            window="hann_window",
            w_sc=1.0,
            w_log_mag=1.0,
            w_lin_mag=0.0,
            w_phs=0.0,
            n_mels=MELS,
        )
        # At high sample rates the lowest bands lie between two bins of the FFT; the logarithm of their 0 is no number.
        self._loss.fb = self._loss.fb[:, self._loss.fb[0].sum(dim=1) > 0]

    @torch.no_grad()
    def distance(self, output: Tensor, target: Tensor) -> float:
        """The distance of two finite waves, float32 [N] and [M] in -1..1, each cut to the shorter.

        A wave without any sample counts as silence as long as the other, so that saying nothing is not rewarded.
        Waves shorter than a window are padded with silence to one. The result is always finite.
        """
        output, target = _fill_empty(output, target), _fill_empty(target, output)
        length = min(len(output), len(target))
        return float(self._loss(_framed(output[:length])[None, None], _framed(target[:length])[None, None]))

    @torch.no_grad()
    def spectrogram(self, wave: Tensor) -> Tensor:
        """Log-mel magnitudes of a wave float32 [N] in dB, float32 [mels, frames]; what the distance looks at."""
        magnitude, _ = self._loss.stft(_framed(wave)[None])
        decibels: Tensor = 20 * torch.log10(self._loss.fb @ magnitude)[0]
        return decibels


def _fill_empty(wave: Tensor, other: Tensor) -> Tensor:
    return wave.float() if len(wave) else torch.zeros(len(other))


def _framed(wave: Tensor) -> Tensor:
    return F.pad(wave, (0, max(0, FFT_SIZE - len(wave))))
