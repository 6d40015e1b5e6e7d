"""A picture of target and output side by side."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from vall_e.atomic import replacing

from .mel_stft import HOP_SIZE, MelStft

# Softer than this below the loudest is shown as silence.
RANGE_DB = 70


def draw_spectrograms(path: Path, target: Tensor, output: Tensor, mel_stft: MelStft, sample_rate: int) -> None:
    """Write a PNG of the log-mel spectra of two waves float32 [N], [M] on one scale of time and loudness."""
    figure = Figure(figsize=(10.2, 1.7), dpi=100, layout="constrained")
    shared = figure.subplots(1, 2, sharex=True, sharey=True)
    pictures = [mel_stft.spectrogram(wave).numpy() for wave in (target, output)]
    loudest = max(float(picture.max()) for picture in pictures)
    for axes, title, picture, wave in zip(shared, ("target", "output"), pictures, (target, output), strict=True):
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_facecolor("black")
        if len(wave):
            axes.imshow(
                picture,
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=loudest - RANGE_DB,
                vmax=loudest,
                extent=(0, picture.shape[1] * HOP_SIZE / sample_rate, 0, picture.shape[0]),
            )
    shared[0].set_xlim(0, max(len(target), len(output), HOP_SIZE) / sample_rate)
    shared[0].set_ylabel("mel band", fontsize=7)
    figure.supxlabel("seconds", fontsize=7)
    with replacing(path) as partial:
        figure.savefig(partial)
