"""What a store holds, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vall_e.data.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Of every utterance: seconds float64 [n], and the number of its split and speaker, int [n]."""

    seconds: npt.NDArray[np.float64]
    split: npt.NDArray[np.int8]
    speaker: npt.NDArray[np.int32]
    splits: tuple[str, ...]
    speakers: tuple[str, ...]
    languages: tuple[tuple[str, int], ...]
    """Names, and how many utterances are in each; the most frequent first."""

    def of_split(self) -> Iterator[tuple[str, npt.NDArray[np.float64], int]]:
        """Name, seconds of every utterance and number of speakers of each split that holds anything."""
        for number, name in enumerate(self.splits):
            chosen = self.split == number
            if chosen.any():
                yield name, self.seconds[chosen], len(np.unique(self.speaker[chosen]))

    def per_speaker(self) -> list[tuple[str, float]]:
        """Minutes of every speaker, the most first."""
        minutes = np.bincount(self.speaker, self.seconds, len(self.speakers)) / 60
        order = np.argsort(-minutes, kind="stable").tolist()
        return [(self.speakers[number], float(minutes[number])) for number in order if minutes[number] > 0]

    def rows(self) -> list[tuple[str, str]]:
        """What is told of each split, and of the languages, in words."""
        told = [(name, _described(seconds, speakers)) for name, seconds, speakers in self.of_split()]
        return [*told, ("languages", ", ".join(f"{name} {count}" for name, count in self.languages))]


def count_totals(store: Store) -> Totals:
    """Read the small columns of a store, whole."""
    languages = np.bincount(store.column("language"), minlength=len(store.info.languages)).tolist()
    named = sorted(zip(store.info.languages, languages, strict=True), key=lambda pair: -pair[1])
    return Totals(
        seconds=store.frames / store.info.codec.frame_rate,
        split=store.column("split"),
        speaker=store.column("speaker"),
        splits=store.info.splits,
        speakers=store.info.speakers,
        languages=tuple(named),
    )


def _described(seconds: npt.NDArray[np.float64], speakers: int) -> str:
    total = float(seconds.sum())
    long = f"{total / 3600:.2f} h" if total >= 3600 else f"{total / 60:.1f} min"
    shortest, median, longest = np.quantile(seconds, [0, 0.5, 1]).tolist()
    each = f"{shortest:.1f} to {longest:.1f} s, half of them below {median:.1f} s"
    return f"{len(seconds)} utterances, {long}, {speakers} speakers; {each}"
