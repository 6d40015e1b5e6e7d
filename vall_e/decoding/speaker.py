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
from vall_e.errors import TextError, WeightsError
from vall_e.models.weights.weights_file import LoadedWeights
from vall_e.precision import DTYPES
from vall_e.text.languages import language_id
from vall_e.text.phonemise import phonemise

from .finish import Finish
from .generate import generate_speech
from .request import Said, SpeechRequest
from .sentences import split_text


@dataclass(frozen=True)
class Speech:
    """What was said: wave float32 [N] at `sample_rate`, from `pieces` of text, of which some may have no sound.

    finishes: why each piece ends.
    """

    wave: Wave
    sample_rate: int
    pieces: list[str]
    silent: list[str]
    finishes: list[Finish]


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
        said = self._generate(requests, seed)
        waves = [self.codec.decode(s.codes).numpy() for s in said]
        silent = [piece for piece, wave in zip(pieces, waves, strict=True) if not len(wave)]
        finishes = [s.finish for s in said]
        return Speech(np.concatenate(waves), self.codec.identity.sample_rate, pieces, silent, finishes)

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

    def _generate(self, requests: list[SpeechRequest], seed: int) -> list[Said]:
        """Say every piece, and those that did not end by themselves again, with other seeds."""
        said = self._attempt(requests, seed)
        for attempt in range(1, self.cfg.retries + 1):
            failed = [place for place, one in enumerate(said) if one.finish is not Finish.stop or not len(one.codes)]
            for place, better in zip(failed, self._attempt([requests[f] for f in failed], seed + attempt), strict=True):
                said[place] = better
        return said

    def _attempt(self, requests: list[SpeechRequest], seed: int) -> list[Said]:
        said: list[Said] = []
        dtype = DTYPES[self.cfg.weight_dtype]
        amp = torch.autocast(self.model.device.type, dtype, enabled=self.cfg.amp and dtype is not torch.float32)
        with amp:
            for first in range(0, len(requests), self.cfg.batch_size):
                said += generate_speech(self.model, requests[first : first + self.cfg.batch_size], self.cfg, seed)
        return said
