"""Real speech, synthetic noise and a stranger in a small store, and how to hear what was mixed."""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.audio.read import read_audio
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.dataset import DatasetConfig
from vall_e.config.facts import SAMPLE_SPEECH
from vall_e.data.dataset import SpeechDataset
from vall_e.data.pipeline.wave_encoder import encode_wave
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Codes, Utterance
from vall_e.text import open_tokenizer

VOICES = ("kokoro/af_bella", "kokoro/am_adam", "kokoro/bf_emma")
EACH = 5
OPEN_CODEC = partial(open_codec, AudioBackend.builtin, CodecConfig(), "cpu")


def write_sounds(path: Path, codec: Codec) -> None:
    """Five sentences of three speakers, the last for validation, and two clips of noise, of 1.5 and 2.5 s."""
    lines = [json.loads(line) for line in (SAMPLE_SPEECH / "meta.jsonl").read_text(encoding="utf-8").splitlines()]
    number = 0
    with StoreWriter(path, codec.identity) as writer:
        for voice in VOICES:
            for place, line in enumerate([line for line in lines if line["speaker"] == voice][:EACH]):
                wave = read_audio(SAMPLE_SPEECH / line["path"], codec.identity.sample_rate)
                split = "validation" if place == EACH - 1 else "training"
                writer.append(_utterance(line["path"], voice, split, line["text"], encode_wave(wave, codec)), number)
                number += 1
        for name, seconds in (("white", 1.5), ("hum", 2.5)):
            wave = _noise(name, int(seconds * codec.identity.sample_rate), codec.identity.sample_rate)
            writer.append(_utterance(name, f"noise/{name}", "noise", "", encode_wave(wave, codec)), number)
            number += 1


def open_sounds(path: Path, split: str = "training", seed: int = 0, **settings: object) -> SpeechDataset:
    cfg = DatasetConfig(**({"prompt_duration_range": [1.0, 2.0]} | settings))
    return SpeechDataset(path, cfg, open_tokenizer(None, None), split, 75.0, seed, open_codec=OPEN_CODEC)


class Ear:
    """Hears what codes are a mixture of."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._waves: dict[bytes, Tensor] = {}

    def wave(self, codes: Codes) -> Tensor:
        """float32 [N]."""
        key = codes.tobytes()
        if key not in self._waves:
            self._waves[key] = self._codec.decode(torch.from_numpy(np.ascontiguousarray(codes)))
        return self._waves[key]

    def gap(self, heard: Codes, *parts: tuple[Codes, float]) -> float:
        """Mean distance in dB between the energies of what is heard and of parts, each with its gain, in 16 bands."""
        waves = [(self.wave(codes), gain) for codes, gain in parts]
        longest = max(len(wave) for wave, _ in waves)
        expected = torch.stack([gain**2 * _energies(_padded(wave, longest)) for wave, gain in waves]).sum(0)
        found = _energies(_padded(self.wave(heard), longest))
        return float((10 * ((found + 1e-4) / (expected + 1e-4)).log10()).abs().mean())


def _padded(wave: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(wave, (0, length - len(wave)))


def _energies(wave: Tensor) -> Tensor:
    power = torch.stft(wave, 1024, 256, window=torch.hann_window(1024), return_complex=True).abs().square()
    edges = np.unique(np.geomspace(2, 512, 17).astype(int)).tolist()
    bands = torch.stack([power[low:high].mean(0) for low, high in pairwise(edges)])
    return torch.nn.functional.avg_pool1d(bands[None], 8, 4)[0]


def _utterance(id_: str, speaker: str, split: str, text: str, codes: Codes) -> Utterance:
    return Utterance(
        id=id_, speaker=speaker, split=split, language="en-us", text=text, phonemes=text.lower(), codes=codes
    )


def _noise(name: str, samples: int, sample_rate: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    wave = np.random.default_rng(0).standard_normal(samples)
    if name == "hum":
        time = np.arange(samples) / sample_rate
        wave = 0.05 * wave + sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 12))
    return (0.1 * wave / np.sqrt(np.mean(wave**2))).astype(np.float32)
