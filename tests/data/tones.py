"""Small speech made on the spot: tones as wav files, and a codec simple enough to check by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from vall_e.audio.codec import CodecIdentity, Reach
from vall_e.config.dataset import DatasetConfig
from vall_e.config.schema import Config
from vall_e.data.dataset import SpeechDataset
from vall_e.data.utterance import Utterance
from vall_e.text.naive_tokenizer import NaiveTokenizer

WriteStore = Callable[..., Path]

SAMPLE_RATE = 8_000
FRAME_RATE = 50.0
LEVELS = 4
IDENTITY = CodecIdentity(
    name="energies", sample_rate=SAMPLE_RATE, frame_rate=FRAME_RATE, levels=LEVELS, codebook_size=1024, digest="0" * 16
)
SENTENCES = ("The gun was steadied on a special rest.", "Saturday came.", "He told a fib, you know!", "Where is it?")


class EnergyCodec:
    """Codes are the loudness of each frame, shifted a little at every level. Calls are counted in `encoded`."""

    reach = Reach(before=0, behind=0)

    def __init__(self, digest: str = "0" * 16) -> None:
        self.identity = CodecIdentity(**{**IDENTITY.__dict__, "digest": digest})
        self.encoded = 0

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        self.encoded += 1
        hop = int(SAMPLE_RATE / FRAME_RATE)
        frames = wave[: len(wave) // hop * hop].reshape(-1, hop)
        loudness = (frames.square().mean(1).sqrt() * 1000).to(torch.int16)
        return torch.stack([loudness + level for level in range(LEVELS)], dim=1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(codes) * int(SAMPLE_RATE / FRAME_RATE))


def write_manifest(source: Path, lines: list[dict[str, str]]) -> None:
    (source / "meta.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def make_source(source: Path, speakers: int = 3, each: int = 4) -> list[dict[str, str]]:
    """A folder of tones with a manifest, the last utterance of each speaker for validation; returns its lines."""
    lines = []
    for speaker in range(speakers):
        for number in range(each):
            path = f"s{speaker}/{number}.wav"
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            seconds = 1.0 + 0.3 * number + 0.07 * speaker
            time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
            tone = np.sin(2 * np.pi * 220 * time) * np.linspace(0.1 + 0.1 * speaker, 0.9, len(time))
            soundfile.write(source / path, tone.astype(np.float32), SAMPLE_RATE)
            text, split = SENTENCES[number % 4], "validation" if number == each - 1 else "training"
            lines.append({"path": path, "speaker": f"tone/s{speaker}", "text": text, "lang": "en-us", "split": split})
    write_manifest(source, lines)
    return lines


def config(source: Path, store: Path) -> Config:
    return Config(dataset=DatasetConfig(source=str(source), hdf5_name=str(store)))


def utterance(
    number: int, frames: int, speaker: str = "g/a", split: str = "training", language: str = "en-us", text: str = "a b"
) -> Utterance:
    """An utterance whose codes all are its number at level 0, and the frame's place at level 1."""
    codes = np.zeros((frames, LEVELS), np.int16)
    codes[:, 0], codes[:, 1] = number, np.arange(frames)
    return Utterance(
        id=f"{speaker}/{number}", speaker=speaker, split=split, language=language, text=text, phonemes=text, codes=codes
    )


def open_dataset(
    path: Path, split: str = "training", seed: int = 0, tolerant: bool = False, **settings: object
) -> SpeechDataset:
    return SpeechDataset(path, DatasetConfig(**settings), NaiveTokenizer(), split, FRAME_RATE, seed, tolerant=tolerant)
