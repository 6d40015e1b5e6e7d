"""The recordings that codecs are measured on."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vall_e.audio.read import Wave, read_audio
from vall_e.config.dataset import DatasetConfig
from vall_e.config.nearest import hint
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.audio_source import AudioSource, CodesSource
from vall_e.data.recipes.corpus_entries import read_corpus
from vall_e.errors import ConfigError, DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Utterance:
    """A recording; `speaker` is group/speaker, text and language are None where nobody tells."""

    id: str
    audio: AudioSource
    speaker: str
    text: str | None
    language: str | None

    @property
    def group(self) -> str:
        """The kind of speaker: what stands before the slash."""
        return self.speaker.partition("/")[0]

    def read(self, sample_rate: int) -> Wave:
        """float32 [N] in mono; AudioError for what is no audio."""
        return read_audio(self.audio.open(), sample_rate)


def find_utterances(folder: Path, speakers: Sequence[str] | None) -> list[Utterance]:
    """All recordings of a corpus that the speakers, or groups of them, have made; None takes all.

    DataError if there is none, ConfigError for a speaker that is not there.
    """
    if not folder.is_dir():
        raise DataError(f"audio={folder}: no such folder")
    manifest = read_corpus(folder, DatasetConfig(), PreparationConfig())
    if manifest.rejected:
        first = manifest.rejected[0]
        log.warning("%d recordings are left out, the first: %s: %s", len(manifest.rejected), first.id, first.reason)
    found = [
        Utterance(entry.id, entry.audio, entry.speaker, entry.text or None, entry.language)
        for entry in manifest.entries
        if not isinstance(entry.audio, CodesSource) and entry.split != "noise"
    ]
    if not found:
        raise DataError(f"audio={folder}: no recording was found in it")
    return found if speakers is None else _of(found, speakers)


def _of(found: list[Utterance], speakers: Sequence[str]) -> list[Utterance]:
    known = {name for one in found for name in _names(one)}
    for speaker in speakers:
        if speaker not in known:
            told = ", ".join(sorted({one.speaker.partition("/")[2] for one in found}))
            raise ConfigError(f"speakers=[{speaker}] is not there, allowed: {told}{hint(speaker, known)}")
    return [one for one in found if set(_names(one)) & set(speakers)]


def _names(one: Utterance) -> tuple[str, str, str]:
    return one.speaker, one.group, one.speaker.partition("/")[2]


def draw(found: Sequence[Utterance], limit: int | None, seed: int) -> list[Utterance]:
    """`limit` utterances, as many of each speaker as of any other if they suffice; None and too many take all.

    The utterances of a lower limit are among those of a higher one.
    """
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[Utterance]] = defaultdict(list)
    for one in sorted(found, key=lambda one: one.id):
        by_speaker[one.speaker].append(one)
    names = sorted(by_speaker)
    shuffled = [rng.permutation(len(by_speaker[name])) for name in names]
    rank = {name: place for place, name in zip(rng.permutation(len(names)).tolist(), names, strict=True)}
    turns = [
        (turn, rank[name], by_speaker[name][index])
        for name, order in zip(names, shuffled, strict=True)
        for turn, index in enumerate(order.tolist())
    ]
    turns.sort(key=lambda turn: turn[:2])
    return [one for _, _, one in turns[:limit]]
