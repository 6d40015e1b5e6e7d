"""Sound into codes, several clips at once where the codec and its device gain by that."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vall_e.audio.codec import BatchingCodec, Codec, CodecIdentity
from vall_e.errors import AudioError, DataError

log = logging.getLogger(__name__)

Codes = npt.NDArray[np.int16]
Wave = npt.NDArray[np.float32]


def encode_wave(wave: Wave, codec: Codec) -> Codes:
    """Codes int16 [T, Q] of a waveform float32 [N]; AudioError if it is empty, too short or not of finite numbers."""
    check_wave(wave, codec.identity)
    with torch.inference_mode():
        return _codes(codec.encode(torch.from_numpy(wave)))


def check_wave(wave: Wave, codec: CodecIdentity) -> None:
    """AudioError if there is nothing to encode in a waveform float32 [N]."""
    if not np.isfinite(wave).all():
        raise AudioError("the audio holds samples that are not finite numbers")
    # Shorter than a frame, it has nothing to encode; codecs differ in how they would fail.
    if len(wave) < codec.sample_rate / codec.frame_rate:
        raise AudioError(f"the audio is too short: {len(wave)} samples, less than one code frame")


class WaveEncoder:
    """A codec that is given so many clips at once that they last `seconds` together, the longest counted for each.

    If the device's memory does not hold them, it is given half as many, now and later. `seconds` of 0 gives one at a
    time, as does a codec that takes no batches.
    """

    def __init__(self, codec: Codec, seconds: float) -> None:
        self.codec, self.identity = codec, codec.identity
        self.seconds = seconds if isinstance(codec, BatchingCodec) else 0.0

    def encode(self, waves: Sequence[Wave]) -> list[Codes | AudioError]:
        """Codes int16 [T, Q] of each waveform float32 [N], or why it has none, in order."""
        found: list[Codes | AudioError | None] = [self._problem(wave) for wave in waves]
        usable = [place for place, problem in enumerate(found) if problem is None]
        # Clips of like length have little silence between them.
        usable.sort(key=lambda place: len(waves[place]), reverse=True)
        while usable:
            batch = usable[: self._most(len(waves[usable[0]]))]
            made = self._at_once([waves[place] for place in batch])
            if made is None:
                self._take_less(len(batch), len(waves[batch[0]]) / self.identity.sample_rate)
                continue
            for place, codes in zip(batch, made, strict=True):
                found[place] = codes
            usable = usable[len(batch) :]
        return [one for one in found if one is not None]

    def _most(self, samples: int) -> int:
        return max(1, int(self.seconds * self.identity.sample_rate / samples))

    def _take_less(self, clips: int, longest: float) -> None:
        """DataError if the memory does not even hold one clip: it is not dropped, as another machine may have more."""
        if clips == 1:
            raise DataError(
                f"the device's memory does not hold a clip of {longest:.1f} s: set device=cpu, or a lower "
                "preparation.duration_range"
            )
        self.seconds = clips // 2 * longest
        torch.cuda.empty_cache()
        log.warning("The device's memory does not hold %d clips of %.1f s: half as many are tried", clips, longest)

    def _at_once(self, waves: Sequence[Wave]) -> list[Codes | AudioError] | None:
        """None if the memory does not hold them."""
        try:
            return list(self._encoded(waves))
        except torch.cuda.OutOfMemoryError:
            return None

    def _encoded(self, waves: Sequence[Wave]) -> Iterator[Codes | AudioError]:
        tensors = [torch.from_numpy(wave) for wave in waves]
        with torch.inference_mode():
            if len(waves) > 1 and isinstance(self.codec, BatchingCodec):
                yield from map(_codes, self.codec.encode_batch(tensors))
                return
            for tensor in tensors:
                try:
                    codes: Codes | AudioError = _codes(self.codec.encode(tensor))
                except AudioError as error:
                    codes = error
                yield codes

    def _problem(self, wave: Wave) -> AudioError | None:
        try:
            check_wave(wave, self.identity)
        except AudioError as error:
            return error
        return None


def _codes(found: Tensor) -> Codes:
    return found.cpu().numpy().astype(np.int16, copy=False)
