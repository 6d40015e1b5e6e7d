"""Stores to read from: synthetic speech in this system's layout, and in one HDF5 group an utterance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch.utils.data

from vall_e.audio.codec import CodecIdentity
from vall_e.data.store.store import Store
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Utterance

CODEC = CodecIdentity(
    name="synthetic", sample_rate=24_000, frame_rate=75.0, levels=8, codebook_size=1024, digest="0" * 16
)
PHONEMES = "ðə kwˈɪk bɹˈaʊn fˈɑːks dʒˈʌmps ˌoʊvɚ ðə lˈeɪzi dˈɑːɡ ænd ɹˈʌnz əwˈeɪ"


class Speech:
    """Random utterances of `frames` [low, high), each a function of its number."""

    def __init__(self, count: int, speakers: int, frames: tuple[int, int]) -> None:
        draw = np.random.default_rng(0)
        self.count = count
        self.pool = draw.integers(0, 1024, (1 << 16, CODEC.levels)).astype(np.int16)
        self.lengths = draw.integers(*frames, count).tolist()
        self.starts = draw.integers(0, len(self.pool) - frames[1], count).tolist()
        self.speakers = draw.integers(0, speakers, count).tolist()

    def utterance(self, number: int) -> Utterance:
        """Utterance `number`."""
        speaker, start = f"g{self.speakers[number] % 10}/{self.speakers[number]}", self.starts[number]
        return Utterance(
            id=f"{speaker}/{number}",
            speaker=speaker,
            split="training",
            language="en-us",
            text="The quick brown fox jumps over the lazy dog and runs away.",
            phonemes=PHONEMES[: 20 + number % 50],
            codes=self.pool[start : start + self.lengths[number]],
        )

    def write_store(self, path: Path) -> Path:
        """The store of all utterances."""
        with StoreWriter(path, CODEC) as writer:
            for number in range(self.count):
                writer.append(self.utterance(number), number)
        return path

    def write_groups(self, path: Path) -> Path:
        """A file with the group `/training/<speaker>/<id>` for each: audio, text ids and attributes, lzf."""
        with h5py.File(path, "w") as file:
            for number in range(self.count):
                one = self.utterance(number)
                group = file.create_group(f"/training/{one.id}")
                group.create_dataset("audio", data=one.codes, compression="lzf")
                ids = np.arange(len(one.phonemes), dtype=np.uint8)
                group.create_dataset("text", data=ids, compression="lzf")
                attributes = {"text": one.text, "phonemes": one.phonemes, "language": one.language}
                group.attrs.update(attributes | {"duration": len(one.codes) / CODEC.frame_rate})
        return path


class StoreRows(torch.utils.data.Dataset[Utterance]):
    """Utterances of a store by row."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)

    def __getitem__(self, row: int) -> Utterance:
        return self.store.utterance(row)


class GroupRows(torch.utils.data.Dataset[Any]):
    """Utterances of a file with a group each; with `prompts` as samples with as many others of the speaker before."""

    def __init__(self, path: Path, speech: Speech, prompts: int = 0) -> None:
        self._path, self._prompts = path, prompts
        self._file: h5py.File | None = None
        self._names = [f"/training/g{s % 10}/{s}/{number}" for number, s in enumerate(speech.speakers)]
        self._speakers = np.array(speech.speakers)
        order = np.argsort(self._speakers, kind="stable")
        bounds = np.searchsorted(self._speakers[order], np.arange(self._speakers.max() + 2))
        self._of = [order[bounds[s] : bounds[s + 1]] for s in range(len(bounds) - 1)]

    def __getitem__(self, row: int) -> Any:
        if self._file is None:
            self._file = h5py.File(self._path, "r")
        found = self._read(self._names[row])
        return self._sample(row, found) if self._prompts else found

    def _read(self, name: str) -> dict[str, Any]:
        assert self._file is not None
        group = self._file[name]
        return {"codes": group["audio"][:], "tokens": group["text"][:], **dict(group.attrs)}

    def _sample(self, row: int, found: dict[str, Any]) -> dict[str, Any]:
        assert self._file is not None
        rng = np.random.default_rng((0, 0, row))
        missing = int(rng.uniform(3, 6) * CODEC.frame_rate)
        pieces = []
        for other in rng.choice(self._of[self._speakers[row]], self._prompts, replace=False).tolist():
            if missing > 0:
                pieces.append(self._file[self._names[other]]["audio"][:][:missing])
                missing -= len(pieces[-1])
        return found | {"prompt": np.concatenate(pieces)}
