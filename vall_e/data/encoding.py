"""From a manifest entry to an utterance: phonemes of its text and codes of its audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vall_e.audio.codec import Codec
from vall_e.audio.read import read_audio
from vall_e.errors import AudioError, TextError
from vall_e.text.phonemise import phonemise

from .manifest import ManifestEntry
from .utterance import Utterance


@dataclass(frozen=True)
class Dropped:
    """An utterance that could not be used, and why."""

    id: str
    reason: str


def encode_entries(entries: Sequence[ManifestEntry], codec: Codec) -> Iterator[Utterance | Dropped]:
    """The utterance of every entry, in order; `Dropped` stands for one whose text or audio cannot be used."""
    for entry, phonemes in zip(entries, phonemes_of(entries), strict=True):
        yield phonemes if isinstance(phonemes, Dropped) else _encode_entry(entry, phonemes, codec)


def phonemes_of(entries: Sequence[ManifestEntry]) -> list[str | Dropped]:
    """Phonemes of every entry, espeak being asked once a language; noise has none."""
    found: dict[str, str | Dropped] = {entry.id: "" for entry in entries if entry.split == "noise"}
    for language in sorted({entry.language for entry in entries}):
        spoken = [entry for entry in entries if entry.language == language and entry.split != "noise"]
        found.update(zip((entry.id for entry in spoken), _phonemes(spoken, language), strict=True))
    return [found[entry.id] for entry in entries]


def _phonemes(entries: Sequence[ManifestEntry], language: str) -> Sequence[str | Dropped]:
    try:
        return phonemise([entry.text for entry in entries], language) if entries else []
    except TextError as error:
        if len(entries) == 1:
            return [Dropped(entries[0].id, str(error))]
    # One of many is at fault: asking for each by itself tells which.
    return [phonemes for entry in entries for phonemes in _phonemes([entry], language)]


def _encode_entry(entry: ManifestEntry, phonemes: str, codec: Codec) -> Utterance | Dropped:
    try:
        codes = encode_wave(read_audio(entry.audio, codec.identity.sample_rate), codec)
    except AudioError as error:
        return Dropped(entry.id, str(error))
    return Utterance(
        id=entry.id,
        speaker=entry.speaker,
        split=entry.split,
        language=entry.language,
        text=entry.text,
        phonemes=phonemes,
        codes=codes,
    )


def encode_wave(wave: npt.NDArray[np.float32], codec: Codec) -> npt.NDArray[np.int16]:
    """Codes int16 [T, Q] of a waveform float32 [N]; AudioError if it is empty, too short or not of finite numbers."""
    if not np.isfinite(wave).all():
        raise AudioError("the audio holds samples that are not finite numbers")
    # Shorter than a frame, it has nothing to encode; codecs differ in how they would fail.
    if len(wave) < codec.identity.sample_rate / codec.identity.frame_rate:
        raise AudioError(f"the audio is too short: {len(wave)} samples, less than one code frame")
    with torch.inference_mode():
        return codec.encode(torch.from_numpy(wave)).cpu().numpy().astype(np.int16, copy=False)
