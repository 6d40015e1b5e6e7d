"""The utterances of a split as samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig
from vall_e.errors import DataError
from vall_e.text.tokenizer import Tokenizer

from .sample import Sample
from .sampling.generator import generator
from .sampling.positions import longest_positions
from .sampling.selection import Rows, select_rows
from .store.similar_file import Indices
from .store.store import Store
from .tasks.maker import SampleMaker
from .tasks.mixing import OpenCodec
from .utterance import Utterance

Key = tuple[int, int]
"""Epoch and index of a sample."""


class SpeechDataset:
    """Samples of one split of a store; every draw is a function of (seed, epoch, index).

    durations: float64 [len], seconds of each response; speakers: names in order; speaker_ids: int64 [len], into them;
    group_ids: int64 [speakers], equal for speakers of one group.
    DataError if the store cannot be used, selects nothing, or was made at another frame rate; also if a pattern over
    speakers matches none, unless `tolerant`. `open_codec` is for tasks that mix speech, and called when they do.
    """

    def __init__(
        self,
        store_path: Path,
        cfg: DatasetConfig,
        tokenizer: Tokenizer,
        split: str,
        frame_rate: float,
        seed: int,
        *,
        tolerant: bool = False,
        open_codec: OpenCodec | None = None,
    ) -> None:
        self.store = Store(store_path)
        self.split = split
        self._cfg, self._seed, self._tasks = cfg, seed, cfg.tasks
        prepared = self.store.info.codec
        if prepared.frame_rate != frame_rate:
            raise DataError(
                f"{store_path} was prepared by {prepared.name} at {prepared.frame_rate:g} frames a second, "
                f"this run's codec has {frame_rate:g}: prepare it again"
            )
        self._rows = select_rows(self.store, cfg, split, tolerant=tolerant)
        speakers = self.store.column("speaker")
        self._speaker = speakers[self._rows]
        prompts = self._prompt_rows()
        self._maker = SampleMaker(self.store, cfg, tokenizer, prompts, speakers[prompts], open_codec=open_codec)
        self.durations = self.store.frames[self._rows] / frame_rate
        self.speakers, self.speaker_ids = _in_order(self.store.info.speakers, self._speaker)
        groups = [name.partition("/")[0] for name in self.speakers]
        place = {name: number for number, name in enumerate(dict.fromkeys(groups))}
        self.group_ids = np.array([place[name] for name in groups], np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> int:
        """The row of the store that sample `index` is made of."""
        return int(self._rows[index])

    def sample(self, index: int, epoch: int, task: str | None = None) -> Sample:
        """Sample `index` of `epoch`, for `task` in place of the one drawn."""
        rng, drawn = self._begun(epoch, index)
        return self._made(rng, index, self.store.utterance(self.row(index)), task or drawn)

    def samples(self, keys: Sequence[Key]) -> list[Sample]:
        """The samples of several keys."""
        # One kind of work for all of them, then the next: that is faster than one sample after the other, as the
        # instructions of each kind stay in the processor's cache.
        begun = [self._begun(epoch, index) for epoch, index in keys]
        told = [self.store.utterance(self.row(index)) for _, index in keys]
        return [
            self._made(rng, index, one, task) for (rng, task), (_, index), one in zip(begun, keys, told, strict=True)
        ]

    def evaluated(self, index: int, epoch: int) -> Sample:
        """Sample `index` of `epoch` as evaluations want it: tts, and the text is that of the response."""
        rng, _ = self._begun(epoch, index)
        return self._made(rng, index, self.store.utterance(self.row(index)), "tts", continuous=False)

    def positions(self) -> Rows:
        """Positions of the longest sample that each utterance may become: int64 [len]."""
        frames, phonemes = self.store.frames[self._rows], self.store.phoneme_bytes()[self._rows]
        return longest_positions(frames, phonemes, self._cfg, self.store.info.codec.frame_rate)

    def similar(self, index: int) -> Indices:
        """Rows of the store, of any split, that sound like utterance `index`: see `Store.similar`."""
        return self.store.similar(self.row(index))

    def _begun(self, epoch: int, index: int) -> tuple[np.random.Generator, str]:
        """What all draws of a sample come from, and the task, which is the first."""
        rng = generator(self._seed, epoch, index)
        return rng, self._tasks[int(rng.integers(len(self._tasks)))]

    def _made(
        self, rng: np.random.Generator, index: int, told: Utterance, task: str, *, continuous: bool = True
    ) -> Sample:
        row, speaker = self.row(index), int(self._speaker[index])
        return self._maker.make(rng, row, speaker, told, task, continuous=continuous)

    def _prompt_rows(self) -> Rows:
        """Training is prompted by training speech alone; a validation speaker may have too little of its own split."""
        if self.split == "training":
            return self._rows
        return np.flatnonzero(self.store.column("split") != self.store.info.splits.index("noise"))


def _in_order(names: Sequence[str], numbers: npt.NDArray[np.int32]) -> tuple[list[str], Rows]:
    """The names that `numbers` [n] point to, sorted, and where each is among those: int64 [n]."""
    present = sorted(np.flatnonzero(np.bincount(numbers)).tolist(), key=lambda number: names[number])
    place = np.zeros(len(names), np.int64)
    place[present] = np.arange(len(present))
    return [names[number] for number in present], place[numbers]
