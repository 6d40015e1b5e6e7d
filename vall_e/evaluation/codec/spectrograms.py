"""A picture of originals and what codecs make of them, an utterance a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from vall_e.atomic import replacing
from vall_e.audio.read import Wave

WINDOW_SECONDS, HOP_SECONDS = 0.032, 0.008
RANGE_DB = 80
"""Softer than this below the loudest is shown as silence."""


def draw_codec_spectrograms(
    path: Path, columns: Sequence[str], rows: Sequence[str], waves: Sequence[Sequence[Wave]], sample_rate: int
) -> None:
    """Write a PNG of the spectra of `waves[row][column]`, float32 [N], all on one scale of frequency and loudness."""
    pictures = [[spectrum(wave, sample_rate) for wave in row] for row in waves]
    loudest = max(float(picture.max()) for row in pictures for picture in row)
    figure = Figure(figsize=(1.4 + 3.4 * len(columns), 0.9 + 1.35 * len(rows)), dpi=110, layout="constrained")
    grid = figure.subplots(len(rows), len(columns), sharex="col", sharey=True, squeeze=False)
    for axes_row, row, title, sounds in zip(grid, pictures, rows, waves, strict=True):
        for axes, picture, wave in zip(axes_row, row, sounds, strict=True):
            image = axes.imshow(
                picture - loudest,
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=-RANGE_DB,
                vmax=0,
                extent=(0, len(wave) / sample_rate, 0, sample_rate / 2000),
            )
            axes.tick_params(labelsize=7)
        axes_row[0].set_ylabel(title, fontsize=8)
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title, fontsize=8)
    figure.supxlabel("s", fontsize=8)
    figure.supylabel("kHz", fontsize=8)
    scale = figure.colorbar(image, ax=grid, fraction=0.02, pad=0.01)
    scale.set_label("dB below the loudest", fontsize=8)
    scale.ax.tick_params(labelsize=7)
    with replacing(path) as partial:
        figure.savefig(partial)


def spectrum(wave: Wave, sample_rate: int) -> npt.NDArray[np.float32]:
    """Magnitudes in dB, float32 [bins, frames], from 0 to half the sample rate."""
    size, hop = round(WINDOW_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)
    padded = torch.from_numpy(np.pad(wave, (0, max(0, size - len(wave)))))
    found = torch.stft(padded, size, hop, window=torch.hann_window(size), pad_mode="constant", return_complex=True)
    decibels: npt.NDArray[np.float32] = (20 * torch.log10(found.abs() + 1e-7)).numpy()
    return decibels
