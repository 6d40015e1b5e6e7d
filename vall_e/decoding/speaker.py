"""Text and a voice prompt to a waveform, at once or as it comes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vall_e.audio.codec import Codec
from vall_e.audio.read import Wave
from vall_e.audio.streaming import StreamingDecoder
from vall_e.config.inference import InferenceConfig, TextSplit
from vall_e.config.trainer import WeightDtype
from vall_e.errors import ConfigError, TextError, WeightsError
from vall_e.models.int8_linear import to_int8_linears
from vall_e.models.lora.levels import at_level
from vall_e.models.weights.weights_file import LoadedWeights
from vall_e.precision import DTYPES
from vall_e.text.languages import language_id
from vall_e.text.phonemise import phonemise
from vall_e.text.unknown_symbols import named, unknown_symbols

from .code_file import CodeFile, read_code_file
from .finish import Finish
from .generate import generate_speech, stream_speech
from .history import after
from .request import Part, Said, SpeechRequest, in_order
from .sentences import split_text
from .stepping import inside
from .transcribe import phonemes_of, transcribe
from .voice import shortened

log = logging.getLogger(__name__)


@dataclass
class Speech:
    """What was said: wave float32 [N] at `sample_rate`, from `pieces` of text, of which some may have no sound.

    finishes: why each piece ends.
    """

    wave: Wave
    sample_rate: int
    pieces: list[str]
    silent: list[str]
    finishes: list[Finish]


@dataclass
class Stream:
    """Speech as it comes: `waves` are float32 [N] at `sample_rate`, one after the other.

    finishes: why the pieces of text that are over end.
    """

    waves: Iterator[Wave]
    sample_rate: int
    pieces: list[str]
    finishes: list[Finish] = field(default_factory=list)


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
        if cfg.weight_dtype is WeightDtype.int8:
            to_int8_linears(self.model)
        elif not cfg.amp:
            self.model.to(DTYPES[cfg.weight_dtype])

    def speak(self, text: str, voice: Tensor | None, seed: int) -> Speech:
        """Say `text` in a voice, codes int16 [P, Q]; None leaves it to the model."""
        pieces, requests = self._asked(text, voice)
        said = self._say(requests, seed)
        waves = [self.codec.decode(one.codes).numpy() for one in said]
        silent = [piece for piece, wave in zip(pieces, waves, strict=True) if not len(wave)]
        wave, finishes = np.concatenate(waves), [one.finish for one in said]
        return Speech(wave, self.codec.identity.sample_rate, pieces, silent, finishes)

    def stream(self, text: str, voice: Tensor | None, seed: int) -> Stream:
        """Say what `speak` says without further attempts, each wave as soon as its frames are final."""
        pieces, requests = self._asked(text, voice)
        stream = Stream(iter(()), self.codec.identity.sample_rate, pieces)
        stream.waves = self._waves(self._parts(requests, seed), stream.finishes)
        return stream

    def write_down(self, codes: Tensor) -> str:
        """The phonemes of speech, codes int16 [T, Q]."""
        with self._precision(), at_level(self.model, 0, self.cfg.use_lora):
            lang = language_id(self.cfg.language)
            ids = transcribe(self.model, [codes], self.cfg.max_duration, lang)[0]
        return phonemes_of(ids, self.weights.tokenizer)

    def tokenise(self, pieces: Sequence[str]) -> list[list[int]]:
        """Token ids of each piece, which is phonemised first unless it is given as phonemes."""
        return self._ids(pieces if self.cfg.phonemes else self._phonemes(pieces))

    def _phonemes(self, pieces: Sequence[str]) -> list[str]:
        return phonemise(pieces, self.cfg.text_language or self.cfg.language)

    def _ids(self, phonemes: Sequence[str]) -> list[list[int]]:
        tokenizer = self.weights.tokenizer
        if unknown := unknown_symbols("".join(phonemes), tokenizer):
            log.warning("The model knows no %s and is given <unk> in its place", ", ".join(map(named, unknown)))
        return [tokenizer.encode(p) for p in phonemes]

    def _asked(self, text: str, voice: Tensor | None) -> tuple[list[str], list[SpeechRequest]]:
        """The pieces to say and what the model is asked for each: those of the text, or what a code file holds."""
        if self.cfg.load_from_artifact is None:
            pieces = self._pieces(text)
            return pieces, self._requests(self.tokenise(pieces), voice)
        if text.strip() or voice is not None:
            raise ConfigError(
                f"inference.load_from_artifact={self.cfg.load_from_artifact} brings phonemes and voice of its own: "
                "leave text and prompt empty"
            )
        return self._asked_by(read_code_file(Path(self.cfg.load_from_artifact), self.codec.identity))

    def _asked_by(self, file: CodeFile) -> tuple[list[str], list[SpeechRequest]]:
        said = file.phonemes or self._phonemes([file.text or ""])[0]
        prompt = shortened(file.codes, self.codec.identity, self.cfg.input_prompt_length)
        requests = self._requests(self._ids([said]), prompt)
        return [said], [replace(request, frames=len(file.codes)) for request in requests]

    def _pieces(self, text: str) -> list[str]:
        by = TextSplit.lines if self.cfg.phonemes else self.cfg.split_text_by
        pieces = split_text(text, by, self.cfg.text_language or self.cfg.language)
        if not pieces:
            raise TextError("the text is empty: there is nothing to say")
        return pieces

    def _requests(self, tokens: Sequence[list[int]], voice: Tensor | None) -> list[SpeechRequest]:
        identity, lang = self.codec.identity, language_id(self.cfg.language)
        silence = torch.zeros(int(self.cfg.prefix_silence * identity.sample_rate))
        opening = self.codec.encode(silence) if len(silence) else None
        voice = None if voice is None else voice.cpu()
        prefix = self.cfg.input_prompt_prefix and voice is not None
        return [
            SpeechRequest(tokens=torch.tensor(ids), prompt=voice, lang=lang, opening=opening, continue_prompt=prefix)
            for ids in tokens
        ]

    def _say(self, requests: Sequence[SpeechRequest], seed: int) -> list[Said]:
        """Everything at once, or one piece after the other where pieces continue those before."""
        if not self.cfg.context_history:
            return self._try(requests, seed)
        said: list[Said] = []
        for request in requests:
            spoken = [(one, before.codes) for one, before in zip(requests, said, strict=False)]
            said += self._try([after(request, spoken[-self.cfg.context_history :])], seed)
        return said

    def _try(self, requests: Sequence[SpeechRequest], seed: int) -> list[Said]:
        """Say pieces, and those that did not end by themselves again, with other seeds."""
        said = self._attempt(requests, seed)
        for attempt in range(1, self.cfg.retries + 1):
            failed = [place for place, one in enumerate(said) if one.finish is not Finish.stop or not len(one.codes)]
            for place, better in zip(failed, self._attempt([requests[f] for f in failed], seed + attempt), strict=True):
                if better.finish is Finish.stop or not len(said[place].codes):
                    said[place] = better
        return said

    def _attempt(self, requests: Sequence[SpeechRequest], seed: int) -> list[Said]:
        with self._precision():
            return generate_speech(self.model, requests, self.cfg, seed, self.cfg.batch_size)

    def _parts(self, requests: Sequence[SpeechRequest], seed: int) -> Iterator[Part]:
        """What `_say` says without further attempts, in order, as it comes."""
        if not self.cfg.context_history:
            yield from in_order(self._stream(requests, seed))
            return
        spoken: list[tuple[SpeechRequest, Tensor]] = []
        for request in requests:
            parts = []
            for part in self._stream([after(request, spoken[-self.cfg.context_history :])], seed):
                parts.append(part)
                yield part
            spoken.append((request, torch.cat([part.codes for part in parts])))

    def _stream(self, requests: Sequence[SpeechRequest], seed: int) -> Iterator[Part]:
        return inside(self._precision, stream_speech(self.model, requests, self.cfg, seed, self.cfg.batch_size))

    def _waves(self, parts: Iterator[Part], finishes: list[Finish]) -> Iterator[Wave]:
        decoder = StreamingDecoder(self.codec)
        for part in parts:
            waves = [decoder.push(part.codes)]
            if part.finish:
                waves.append(decoder.finish())
                decoder = StreamingDecoder(self.codec)
                finishes.append(part.finish)
            yield from (wave.numpy() for wave in waves if len(wave))

    def _precision(self) -> torch.autocast:
        dtype = DTYPES.get(self.cfg.weight_dtype, torch.float32)
        return torch.autocast(self.model.device.type, dtype, enabled=self.cfg.amp and dtype is not torch.float32)
