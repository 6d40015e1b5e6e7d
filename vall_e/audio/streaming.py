"""Codes to a waveform while they come, without seams: chunk after chunk what the codec makes of the whole."""

from __future__ import annotations

import torch
from torch import Tensor

from .codec import Codec


class StreamingDecoder:
    """Decodes frames once those around them are known that they depend on. Q is the number of levels given."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._hop = round(codec.identity.sample_rate / codec.identity.frame_rate)
        self._codes: Tensor | None = None
        self._decoded = 0

    def push(self, codes: Tensor) -> Tensor:
        """Frames int [T, Q] that follow those given before -> the samples that are certain now, float32 [N]."""
        self._codes = codes if self._codes is None else torch.cat([self._codes, codes])
        return self._decode(len(self._codes) - self._codec.reach.behind)

    def finish(self) -> Tensor:
        """The samples of the last frames: float32 [N]."""
        return torch.zeros(0) if self._codes is None else self._decode(len(self._codes))

    def _decode(self, end: int) -> Tensor:
        """Samples from the first frame not decoded yet to `end`; frames no longer needed are let go."""
        if self._codes is None or end <= self._decoded:
            return torch.zeros(0)
        before, behind = self._codec.reach.before, self._codec.reach.behind
        wave = self._codec.decode(self._codes[: end + behind])[self._decoded * self._hop : end * self._hop]
        passed = 0 if before is None else max(0, end - before)
        self._codes, self._decoded = self._codes[passed:], end - passed
        return wave
