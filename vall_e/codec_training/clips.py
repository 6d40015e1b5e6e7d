"""Clips of fixed length from recordings; which ones follows from the random numbers that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vall_e.audio.read import Wave

from .audio_cache import Lengths, Samples


@dataclass(frozen=True)
class Clips:
    """Recordings within `samples`: where each begins and how long it is, with a share of the clips that it gives."""

    samples: Samples
    starts: Lengths
    lengths: Lengths
    ends_of_shares: npt.NDArray[np.float64]
    """Sums of the shares up to each recording and with it."""

    def draw(self, rng: np.random.Generator, samples: int) -> Wave:
        """float32 [samples] in -1..1 from anywhere in a recording; a shorter one is followed by silence."""
        which = int(np.searchsorted(self.ends_of_shares, rng.random() * self.ends_of_shares[-1], side="right"))
        start, length = int(self.starts[which]), int(self.lengths[which])
        begin = start + int(rng.integers(0, max(0, length - samples) + 1))
        clip = self.samples[begin : begin + min(samples, length)]
        return np.pad(clip.astype(np.float32) / 32768, (0, samples - len(clip)))


def clips_of(
    samples: Samples, lengths: Lengths, chosen: Sequence[int], folders: Sequence[int], weights: Sequence[float] | None
) -> Clips:
    """Clips of the `chosen` recordings, longer ones more often.

    folders: the folder of each of all recordings; weights: the share of each folder, None lets length alone decide.
    """
    places = np.array(chosen, np.int64)
    starts, own = (np.cumsum(lengths) - lengths)[places], lengths[places]
    shares = own.astype(np.float64)
    if weights is not None:
        within = np.array(folders)[places]
        for folder, weight in enumerate(weights):
            part = within == folder
            shares[part] *= weight / max(1.0, shares[part].sum())
    return Clips(samples, starts, own, np.cumsum(shares))
