"""Stores to read from: synthetic speech in this system's layout, and in one HDF5 group an utterance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import torch.utils.data

from vall_e.audio.codec import CodecIdentity
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Utterance

CODEC = CodecIdentity(
    name="synthetic", sample_rate=24_000, frame_rate=75.0, levels=8, codebook_size=1024, digest="0" * 16
)
BEGINNINGS, MIDDLES, ENDS = ("", "b", "ð", "ɡɹ", "h", "k", "l", "m", "pɹ", "s", "st", "w"), "aæɑɔəɛɪiʊu", "dklmnɹstvz"
WORDS = 5_000
FRAMES_A_WORD = 30


class Speech:
    """Random utterances of `frames` [low, high), each a function of its number."""

    def __init__(self, count: int, speakers: int, frames: tuple[int, int]) -> None:
        draw = np.random.default_rng(0)
        self.count = count
        self.pool = draw.integers(0, 1024, (1 << 16, CODEC.levels)).astype(np.int16)
        self.lengths = draw.integers(*frames, count).tolist()
        self.starts = draw.integers(0, len(self.pool) - frames[1], count).tolist()
        self.speakers = draw.integers(0, speakers, count).tolist()
        self.words = _words(draw, len(self.pool))

    def utterance(self, number: int) -> Utterance:
        """Utterance `number`."""
        speaker, start = f"g{self.speakers[number] % 10}/{self.speakers[number]}", self.starts[number]
        phonemes = " ".join(self.words[start : start + 1 + self.lengths[number] // FRAMES_A_WORD])
        return Utterance(
            id=f"{speaker}/{number}",
            speaker=speaker,
            split="training",
            language="en-us",
            text=phonemes.upper(),
            phonemes=phonemes,
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
                group.attrs.update(_attributes(one))
        return path

    def metadata(self) -> list[str]:
        """JSON of what is known of every speaker's utterances."""
        known: list[dict[str, object]] = [{} for _ in range(max(self.speakers) + 1)]
        for number, speaker in enumerate(self.speakers):
            known[speaker][str(number)] = _attributes(self.utterance(number))
        return [json.dumps(one, ensure_ascii=False) for one in known]


def _attributes(one: Utterance) -> dict[str, object]:
    told = {"text": one.text, "phonemes": one.phonemes, "language": one.language}
    return told | {"duration": len(one.codes) / CODEC.frame_rate}


def _words(draw: np.random.Generator, count: int) -> list[str]:
    """Words as they follow each other in speech: the n-th most frequent is heard a n-th as often as the first."""
    known = [
        "ˈ" + "".join(str(draw.choice(list(part))) for _ in range(1 + n % 3) for part in (BEGINNINGS, MIDDLES, ENDS))
        for n in range(WORDS)
    ]
    weights = 1 / np.arange(1, WORDS + 1)
    return [known[n] for n in draw.choice(WORDS, count, p=weights / weights.sum()).tolist()]


class GroupRows(torch.utils.data.Dataset[dict[str, Any]]):
    """Utterances of a file with a group each as tensors; with `prompts` as samples, with as many others of the speaker
    before. `metadata` is a JSON of every speaker's utterances, read anew for every prompt as the reference does."""

    def __init__(self, path: Path, speech: Speech, prompts: int = 0, metadata: Sequence[str] = ()) -> None:
        self._path, self._prompts, self._metadata = path, prompts, metadata
        self._file: h5py.File | None = None
        self._names = [f"/training/g{s % 10}/{s}/{number}" for number, s in enumerate(speech.speakers)]
        self._speakers = np.array(speech.speakers)
        order = np.argsort(self._speakers, kind="stable")
        bounds = np.searchsorted(self._speakers[order], np.arange(self._speakers.max() + 2))
        self._of = [order[bounds[s] : bounds[s + 1]] for s in range(len(bounds) - 1)]

    def __getitem__(self, row: int) -> dict[str, Any]:
        if self._file is None:
            self._file = h5py.File(self._path, "r")
        group = self._file[self._names[row]]
        found = {"codes": self._tensor(group["audio"]), "tokens": self._tensor(group["text"]), **dict(group.attrs)}
        return found | {"prompt": self._prompt(self._file, row)} if self._prompts else found

    def _prompt(self, file: h5py.File, row: int) -> torch.Tensor:
        rng = np.random.default_rng((0, 0, row))
        missing = int(rng.uniform(3, 6) * CODEC.frame_rate)
        pieces = []
        if self._metadata:
            json.loads(self._metadata[self._speakers[row]])
        for other in rng.choice(self._of[self._speakers[row]], self._prompts, replace=False).tolist():
            if missing > 0:
                pieces.append(self._tensor(file[self._names[other]]["audio"])[:missing])
                missing -= len(pieces[-1])
        return torch.cat(pieces)

    @staticmethod
    def _tensor(dataset: h5py.Dataset) -> torch.Tensor:
        return torch.from_numpy(dataset[:])
