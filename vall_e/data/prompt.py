"""Voice prompts: other utterances of the speaker, joined and trimmed to a length drawn at random."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig

from .sampling.grouping import group
from .sampling.selection import Rows


class PromptCandidates:
    """The utterances of each speaker that may serve as prompts."""

    def __init__(self, rows: Rows, speakers: npt.NDArray[np.int32]) -> None:
        """`rows` int64 [n] of the store, ascending, and the speaker of each, int32 [n]."""
        groups = group(speakers)
        self._rows, self._speakers, self._bounds = rows[groups.order], groups.present, groups.bounds

    @property
    def speakers(self) -> int:
        """How many speakers have candidates."""
        return len(self._speakers)

    def of(self, speaker: int) -> Rows:
        """The rows of a speaker, ascending."""
        first, last = self._span(speaker)
        return self._rows[first:last]

    def draw(self, rng: np.random.Generator, taken: Sequence[int], speaker: int, count: int) -> list[int]:
        """At most `count` different rows of `speaker` that are not `taken`; those taken if the speaker has no other."""
        rows = self.of(speaker)
        drawn = rng.choice(rows, size=min(count + len(taken), len(rows)), replace=False).tolist()
        return [other for other in drawn if other not in taken][:count] or list(taken)[:count]

    def draw_stranger(self, rng: np.random.Generator, speaker: int) -> int:
        """A row of another speaker, each as likely; there is one."""
        first, last = self._span(speaker)
        drawn = int(rng.integers(len(self._rows) - (last - first)))
        return int(self._rows[drawn if drawn < first else drawn + last - first])

    def _span(self, speaker: int) -> tuple[int, int]:
        place = int(self._speakers.searchsorted(speaker))
        first, last = self._bounds[place : place + 2].tolist()
        return first, last


def draw_length(rng: np.random.Generator, cfg: DatasetConfig, frame_rate: float) -> int:
    """Frames of a prompt, drawn from `prompt_duration_range`; 0 if there is to be none."""
    low, high = cfg.prompt_duration_range
    return int(rng.uniform(low, high) * frame_rate) if high > 0 else 0


def draw_similar(
    rng: np.random.Generator, nearest: npt.NDArray[np.int32], usable: Rows, taken: Collection[int], cfg: DatasetConfig
) -> int | None:
    """One of the `nearest` int32 [k] that is usable and not taken, or None; negative numbers stand for none.

    Of those as many are skipped as `prompt_similar_top_k_offset` says, unless none would be left.
    """
    known = [row for row in nearest.tolist() if row >= 0]
    offset, count = cfg.prompt_similar_top_k_offset, cfg.prompt_similar_top_k
    known = known[offset:] or known
    found = [row for row in known if row not in taken and _holds(usable, row)][:count]
    return found[int(rng.integers(len(found)))] if found else None


def _holds(rows: Rows, row: int) -> bool:
    place = int(np.searchsorted(rows, row))
    return place < len(rows) and bool(rows[place] == row)
