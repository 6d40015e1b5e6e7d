"""Text and a voice prompt to a waveform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vall_e.audio.codec import Codec
from vall_e.audio.read import Wave, read_audio
from vall_e.config.inference import InferenceConfig, TextSplit
from vall_e.config.trainer import WeightDtype
from vall_e.errors import TextError, WeightsError
from vall_e.models.weights import LoadedWeights
from vall_e.text.languages import language_id
from vall_e.text.phonemise import phonemise

from .generate import SpeechRequest, generate_speech
from .sentences import split_text

DTYPES = {
    WeightDtype.float32: torch.float32,
    WeightDtype.float16: torch.float16,
    WeightDtype.bfloat16: torch.bfloat16,
}


@dataclass(frozen=True)
class Speech:
    """What was said: wave float32 [N] at `sample_rate`, from `pieces` of text, of which some may have no sound."""

    wave: Wave
    sample_rate: int
    pieces: list[str]
    silent: list[str]


class Speaker:
    """Speaks with trained weights; the codec must be the one they were trained on."""

    def __init__(self, weights: LoadedWeights, codec: Codec, cfg: InferenceConfig) -> None:
        if not codec.identity.agrees(weights.codec):
            raise WeightsError(
                f"the weights speak the codes of the codec {weights.codec.name} ({weights.codec.digest}), "
                f"but {codec.identity.name} ({codec.identity.digest}) is in use"
            )
        self.weights, self.codec, self.cfg = weights, codec, cfg
        self.model = weights.model
        if not cfg.amp:
            self.model.to(DTYPES[cfg.weight_dtype])

    def speak(self, text: str, prompt: Tensor | None, seed: int) -> Speech:
        """Say `text` in the voice of `prompt`, codes int16 [P, Q]; None leaves the voice to the model."""
        by = TextSplit.lines if self.cfg.phonemes else self.cfg.split_text_by
        pieces = split_text(text, by, self.cfg.language)
        if not pieces:
            raise TextError("the text is empty: there is nothing to say")
        requests = [
            SpeechRequest(tokens=torch.tensor(ids), prompt=prompt, lang=language_id(self.cfg.language))
            for ids in self.tokenise(pieces)
        ]
        codes = self._generate(requests, seed)
        waves = [self.codec.decode(c).numpy() for c in codes]
        silent = [piece for piece, wave in zip(pieces, waves, strict=True) if not len(wave)]
        return Speech(np.concatenate(waves), self.codec.identity.sample_rate, pieces, silent)

    def tokenise(self, pieces: Sequence[str]) -> list[list[int]]:
        """Token ids of each piece, which is phonemised first unless it is given as phonemes."""
        phonemes = list(pieces) if self.cfg.phonemes else phonemise(pieces, self.cfg.language)
        return [self.weights.tokenizer.encode(p) for p in phonemes]

    def read_prompt(self, path: Path) -> Tensor:
        """Codes int16 [P, Q] of a recording, trimmed to `input_prompt_length` seconds."""
        rate = self.codec.identity.sample_rate
        wave = read_audio(path, rate)
        longest = int(self.cfg.input_prompt_length * rate)
        return self.codec.encode(torch.from_numpy(wave[:longest] if longest else wave))

    def _generate(self, requests: list[SpeechRequest], seed: int) -> list[Tensor]:
        codes: list[Tensor] = []
        dtype = DTYPES[self.cfg.weight_dtype]
        amp = torch.autocast(self.model.device.type, dtype, enabled=self.cfg.amp and dtype is not torch.float32)
        with amp:
            for first in range(0, len(requests), self.cfg.batch_size):
                codes += generate_speech(self.model, requests[first : first + self.cfg.batch_size], self.cfg, seed)
        return codes
