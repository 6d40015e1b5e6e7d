"""Codes mixed as waveforms: decoded, added or joined, and encoded again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vall_e.audio.codec import Codec
from vall_e.data.pipeline.wave_encoder import encode_wave
from vall_e.data.utterance import Codes
from vall_e.errors import DataError

from .silence import SILENCE

OpenCodec = Callable[[], Codec]


class Mixer:
    """Mixes codes by a codec, which is opened at the first use, in every process anew.

    It computes in one thread: the codes are the same to the bit in a worker and in the training process.
    """

    def __init__(self, open_codec: OpenCodec | None) -> None:
        self._open = open_codec
        self._codec: Codec | None = None
        self._silence: Codes | None = None
        self._owner = 0

    def mix(self, parts: Sequence[tuple[Codes, float]]) -> Codes:
        """The mean of waves, each multiplied by its gain and padded with zeros to the longest: int16 [T, Q]."""
        with _one_thread():
            waves = [np.float32(gain) * self._decode(codes) for codes, gain in parts]
            mixed = np.zeros(max(map(len, waves)), np.float32)
            for wave in waves:
                mixed[: len(wave)] += wave / np.float32(len(waves))
            codes = encode_wave(mixed, self._opened())
        return codes[: max(len(codes) for codes, _ in parts)]

    def join(self, parts: Sequence[Codes]) -> Codes:
        """Waves one after another: int16 [T, Q]."""
        with _one_thread():
            return encode_wave(np.concatenate([self._decode(codes) for codes in parts]), self._opened())

    def silence(self, frames: int) -> Codes:
        """So many frames of silence: int16 [frames, Q]."""
        if self._silence is None:
            self._silence = self._silent_frame()
        return np.tile(self._silence, (frames, 1))

    def _silent_frame(self) -> Codes:
        """Codes [1, Q], those that published weights know or the middle of a second of silence."""
        identity = self._opened().identity
        if known := SILENCE.get(identity.name):
            return np.array([known[: identity.levels]], np.int16)
        with _one_thread():
            codes = encode_wave(np.zeros(identity.sample_rate, np.float32), self._opened())
        middle: Codes = codes[len(codes) // 2][None]
        return middle

    def _decode(self, codes: Codes) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            wave: npt.NDArray[np.float32] = self._opened().decode(torch.from_numpy(codes)).cpu().numpy()
        return wave

    def _opened(self) -> Codec:
        # A model on a GPU does not survive fork().
        if self._codec is None or self._owner != os.getpid():
            if self._open is None:
                raise DataError("these samples are mixed as waveforms, and no codec was given to the dataset")
            self._codec, self._owner = self._open(), os.getpid()
        return self._codec

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_codec": None}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def repeated(codes: Codes, frames: int) -> Codes:
    """Codes [T, Q] again and again until they last `frames`, the last time cut: [frames, Q]."""
    return np.tile(codes, (-(-frames // max(1, len(codes))), 1))[:frames]
