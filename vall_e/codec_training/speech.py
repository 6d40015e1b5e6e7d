"""The speech of a run: batches to learn from, and clips to measure with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.engines.ranks import Ranks
from vall_e.errors import AudioError

from .audio_cache import cached_audio
from .augmentation.augment import augmented
from .clips import Clips, clips_of
from .recordings import find_recordings

log = logging.getLogger(__name__)

MEASURED = 1 << 40
"""Takes the place of a step in the seeds of clips that are measured."""


@dataclass(frozen=True)
class Speech:
    """Clips by step: what a batch holds follows from seed and step, whichever rank draws it."""

    cfg: CodecTrainingConfig
    training: Clips
    held_out: Clips
    sample_rate: int
    samples: int
    """Length of a clip, a multiple of the codec's hop."""

    def batch(self, step: int, ranks: Ranks) -> Tensor:
        """This rank's part of the augmented clips of a step: float32 [batch_size / ranks, samples]."""
        size = self.cfg.batch_size // ranks.size
        return torch.from_numpy(np.stack([self._clip(step, ranks.rank * size + number) for number in range(size)]))

    def measured(self, hop: int) -> Tensor:
        """Held-out clips as they are, the same every time: float32 [evaluation_clips, N], N a multiple of `hop`."""
        samples = int(self.cfg.evaluation_seconds * self.sample_rate) // hop * hop
        generators = (np.random.default_rng((self.cfg.seed, MEASURED, n)) for n in range(self.cfg.evaluation_clips))
        return torch.from_numpy(np.stack([self.held_out.draw(rng, samples) for rng in generators]))

    def _clip(self, step: int, number: int) -> np.ndarray:
        rng = np.random.default_rng((self.cfg.seed, step, number))
        draw = partial(self.training.draw, rng)
        return augmented(draw, self.samples, self.cfg.augmentation, rng, self.sample_rate)


def open_speech(cfg: CodecTrainingConfig, sample_rate: int, hop: int, ranks: Ranks) -> Speech:
    """Read the recordings, the first rank alone; without held-out ones those of training are measured, which is said.

    AudioError or ConfigError for folders and names that are not there, and where nothing is left to learn from.
    """
    recordings = find_recordings(cfg.folders, cfg.holdout or [])
    paths = [recording.path for recording in recordings]
    if ranks.first:
        cached_audio(paths, Path(cfg.cache), sample_rate)
    ranks.wait()
    samples, lengths = cached_audio(paths, Path(cfg.cache), sample_rate)
    folders = [recording.folder for recording in recordings]
    places = range(len(recordings))
    learnt = [n for n in places if lengths[n] and not recordings[n].held_out]
    measured = [n for n in places if lengths[n] and recordings[n].held_out]
    _check_shares(cfg, learnt, folders)
    _tell(lengths, learnt, measured, sample_rate)
    length = int(cfg.clip_seconds * sample_rate) // hop * hop
    training = clips_of(samples, lengths, learnt, folders, cfg.audio_weights)
    held_out = clips_of(samples, lengths, measured, folders, None) if measured else training
    return Speech(cfg, training, held_out, sample_rate, length)


def _check_shares(cfg: CodecTrainingConfig, learnt: list[int], folders: list[int]) -> None:
    if not learnt:
        raise AudioError(f"audio={cfg.audio}: no recording to learn from can be read")
    heard = {folders[place] for place in learnt}
    for number, share in enumerate(cfg.audio_weights or ()):
        if number not in heard:
            raise AudioError(f"audio_weights gives {share} to {cfg.folders[number]}, which holds nothing to learn from")


def _tell(lengths: np.ndarray, learnt: list[int], measured: list[int], sample_rate: int) -> None:
    hours = [float(lengths[part].sum()) / sample_rate / 3600 for part in (learnt, measured)]
    log.info("%.2f hours to learn from in %d recordings, %.2f hours held out", hours[0], len(learnt), hours[1])
    if not measured:
        log.warning("No speech is held out: training speech is evaluated in its place; give holdout=[FOLDER,...]")
