"""Pictures of a dataset, and of one utterance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from vall_e.atomic import replacing

from .totals import Totals

NAMED_SPEAKERS = 24
"""More than these are shown as a histogram."""
WINDOW, HOP = 1024, 256
RANGE_DB = 70
"""Softer than this below the loudest is shown as silence."""
COLOURS = ("#1f6fb4", "#d1600f", "#6b7280")


def draw_totals(path: Path, totals: Totals) -> None:
    """Write a PNG of how long utterances are, by split, and how much there is of each speaker."""
    figure = Figure(figsize=(10.2, 3.4), dpi=100, layout="constrained")
    durations, speakers = figure.subplots(1, 2)
    _draw_durations(durations, totals)
    _draw_speakers(speakers, totals)
    _save(figure, path)


def draw_utterance(path: Path, wave: Tensor, sample_rate: int, title: str) -> None:
    """Write a PNG of a wave float32 [N] and of its spectrum over time."""
    figure = Figure(figsize=(10.2, 3.4), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 3])
    seconds = len(wave) / sample_rate
    above.plot(np.arange(len(wave)) / sample_rate, wave.numpy(), linewidth=0.4, color=COLOURS[0])
    above.set_title(title, fontsize=9)
    above.set_ylabel("wave")
    loudness = _loudness(wave)
    top = float(loudness.max())
    below.imshow(
        loudness.numpy(),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=top - RANGE_DB,
        vmax=top,
        extent=(0, seconds, 0, sample_rate / 2000),
    )
    below.set_ylabel("kHz")
    below.set_xlabel("seconds")
    below.set_xlim(0, seconds)
    _save(figure, path)


def _draw_durations(axes: Axes, totals: Totals) -> None:
    parts = list(totals.of_split())
    edges = np.linspace(0, float(totals.seconds.max()), 41).tolist()
    axes.hist(
        [seconds for _, seconds, _ in parts],
        edges,
        stacked=True,
        label=[name for name, _, _ in parts],
        color=COLOURS[: len(parts)],
    )
    axes.set_xlabel("seconds an utterance")
    axes.set_ylabel("utterances")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)


def _draw_speakers(axes: Axes, totals: Totals) -> None:
    found = totals.per_speaker()
    if len(found) > NAMED_SPEAKERS:
        axes.hist([minutes for _, minutes in found], 40, color=COLOURS[0])
        axes.set_xlabel("minutes a speaker")
        axes.set_ylabel("speakers")
        return
    places = range(len(found))
    axes.barh(places, [minutes for _, minutes in found], color=COLOURS[0])
    axes.set_yticks(places, [name for name, _ in found], fontsize=7 if len(found) > 12 else 8)
    axes.invert_yaxis()
    axes.set_xlabel("minutes")


def _loudness(wave: Tensor) -> Tensor:
    """dB over frequency and time: [WINDOW / 2 + 1, frames]."""
    padded = torch.nn.functional.pad(wave, (0, max(0, WINDOW - len(wave))))
    spectrum = torch.stft(padded, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)
    return 20 * spectrum.abs().clamp_min(1e-5).log10()


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as partial:
        figure.savefig(partial)
