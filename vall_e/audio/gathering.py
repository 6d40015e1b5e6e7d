"""A waveform from blocks: mono, at the wanted rate. Of a long recording one block is in memory besides the result."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Samples float32 [n, channels] that follow those of the block before, their rate, and how many the whole recording
    is thought to have."""

    samples: npt.NDArray[np.float32]
    rate: int
    expected: int


class Gathering:
    """Takes the blocks of one recording; channels are averaged. No more than `most` samples are reserved ahead."""

    def __init__(self, sample_rate: int, most: int | None = None) -> None:
        self._sample_rate, self._most = sample_rate, most
        self._wave: Wave = np.empty(0, np.float32)
        self._filled = self._taken = 0
        self._stream: soxr.ResampleStream | None = None

    def __len__(self) -> int:
        return self._filled

    def add(self, block: Block) -> None:
        """Take in a block."""
        mono: Wave = block.samples.mean(axis=1)
        if block.rate != self._sample_rate:
            if self._stream is None:
                self._stream = soxr.ResampleStream(block.rate, self._sample_rate, 1, dtype="float32")
            mono = self._stream.resample_chunk(mono)
        expected = math.ceil(block.expected * self._sample_rate / block.rate) - self._taken
        self._append(mono, expected if self._most is None else min(expected, self._most))

    def finish(self) -> Wave:
        """The waveform, float32 [N], without what was taken."""
        if self._stream is not None:
            self._append(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), 0)
        return self._wave[: self._filled]

    def gathered(self) -> Wave:
        """What is there so far, float32 [N], without what was taken."""
        return self._wave[: self._filled]

    def take(self, samples: int) -> Wave:
        """The first so many samples, which are not kept."""
        taken, rest = self._wave[:samples], self._wave[samples : self._filled]
        self._wave, self._filled = rest.copy(), len(rest)
        self._taken += samples
        return taken

    def _append(self, mono: Wave, expected: int) -> None:
        end = self._filled + len(mono)
        if end > len(self._wave):
            # What is reserved and never written to takes no memory.
            grown = np.empty(max(end, expected, 2 * len(self._wave)), np.float32)
            grown[: self._filled] = self._wave[: self._filled]
            self._wave = grown
        self._wave[self._filled : end] = mono
        self._filled = end
