"""Voice prompts: other utterances of the speaker, joined and trimmed to a length drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig

from .grouping import group
from .selection import Rows
from .store import Store

Codes = npt.NDArray[np.int16]


class PromptCandidates:
    """The utterances of each speaker that may serve as prompts."""

    def __init__(self, rows: Rows, speakers: npt.NDArray[np.int32]) -> None:
        """`rows` int64 [n] of the store and the speaker of each, int32 [n]."""
        groups = group(speakers)
        self._rows, self._speakers, self._bounds = rows[groups.order], groups.present, groups.bounds

    def draw(self, rng: np.random.Generator, row: int, speaker: int, count: int) -> list[int]:
        """At most `count` different rows of `speaker` other than `row`; `row` itself if the speaker has no other."""
        place = int(np.searchsorted(self._speakers, speaker))
        rows = self._rows[self._bounds[place] : self._bounds[place + 1]]
        drawn = rng.choice(rows, size=min(count + 1, len(rows)), replace=False).tolist()
        return [other for other in drawn if other != row][:count] or [row]


def draw_prompt(
    rng: np.random.Generator, store: Store, rows: Sequence[int], cfg: DatasetConfig, frame_rate: float
) -> Codes:
    """A prompt int16 [P, Q] of the utterances `rows`, never longer than the length drawn, shorter if they are."""
    low, high = cfg.prompt_duration_range
    frames = int(rng.uniform(low, high) * frame_rate) if high > 0 else 0
    pieces: list[Codes] = [np.empty((0, store.info.codec.levels), np.int16)]
    for row in rows:
        if (missing := frames - sum(map(len, pieces))) > 0:
            pieces.append(store.codes(row)[:missing])
    return np.concatenate(pieces)
