"""One utterance and everything around it that a task may draw: other speech of its speaker, strangers, noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from vall_e.config.dataset import DatasetConfig
from vall_e.data.prompt import PromptCandidates, draw_length, draw_similar
from vall_e.data.sampling.selection import Rows
from vall_e.data.store.store import Store
from vall_e.data.tasks.mixing import Mixer, repeated
from vall_e.data.utterance import Codes, Utterance
from vall_e.text.tokenizer import Tokenizer

from .spoken import Spoken, Tokens, join_texts


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all samples of a dataset are drawn from; noise: int64 [n], rows of it."""

    store: Store
    cfg: DatasetConfig
    tokenizer: Tokenizer
    frame_rate: float
    candidates: PromptCandidates
    noise: Rows
    mixer: Mixer

    def spoken_at(self, row: int) -> Spoken:
        """The speech of a row."""
        return self.spoken(self.store.utterance(row))

    def spoken(self, told: Utterance) -> Spoken:
        """An utterance with its phonemes as tokens."""
        return Spoken(told.text, np.array(self.tokenizer.encode(told.phonemes), np.int64), told.codes)

    def texts(self, parts: Sequence[Spoken]) -> tuple[str, Tokens]:
        """Text and tokens of speech one after another."""
        space = self.tokenizer.vocabulary.get(" ")
        return join_texts(parts, [] if space is None else [space])

    def joined(self, parts: Sequence[Codes]) -> Codes:
        """Codes one after another, encoded anew if `reencode_on_concat`."""
        filled = [part for part in parts if len(part)]
        if self.cfg.reencode_on_concat and len(filled) > 1:
            return self.mixer.join(filled)
        return np.concatenate(parts)


@dataclass(frozen=True)
class Scene:
    """Draws for one sample, whose random numbers all come from `rng`, in the order the task asks for them.

    rows: those of the sample's own speech, which no prompt is taken from.
    """

    around: Surroundings
    rng: np.random.Generator
    rows: tuple[int, ...]
    speaker: int
    spoken: Spoken

    def chance(self, p: float) -> bool:
        """True with probability `p`; nothing is drawn for 0."""
        return p > 0 and float(self.rng.random()) < p

    def prompt(self) -> Codes:
        """A voice prompt int16 [P, Q]: never longer than the length drawn, shorter if the utterances are."""
        around, cfg = self.around, self.around.cfg
        others = around.candidates.draw(self.rng, self.rows, self.speaker, cfg.prompt_max_samples)
        frames = draw_length(self.rng, cfg, around.frame_rate)
        pieces: list[Codes] = [self.spoken.codes[:0]]
        for row in self._with_similar(others):
            if (missing := frames - sum(map(len, pieces))) <= 0:
                break
            pieces.append(around.store.codes(row)[:missing])
        return around.joined(pieces)

    def _with_similar(self, others: Sequence[int]) -> list[int]:
        """The rows drawn, each with the chance `prompt_similar_p` replaced by one like the sample's own speech."""
        around = self.around
        if not around.cfg.prompt_similar_p:
            return list(others)
        usable, found = around.candidates.of(self.speaker), list[int]()
        for other in others:
            near = None
            if self.chance(around.cfg.prompt_similar_p):
                nearest = around.store.similar(self.rows[0])
                near = draw_similar(self.rng, nearest, usable, [*self.rows, *found], around.cfg)
            if near is not None or other not in found:
                found.append(other if near is None else near)
        return found

    def parted(self) -> tuple[Codes, Codes]:
        """The own speech as a prompt, at most half of it, and the rest."""
        codes = self.spoken.codes
        frames = min(draw_length(self.rng, self.around.cfg, self.around.frame_rate), len(codes) // 2)
        return codes[:frames], codes[frames:]

    def others(self, count: int) -> list[Spoken]:
        """So many other utterances of the speaker, again from the first if they do not suffice."""
        rows = self.around.candidates.draw(self.rng, self.rows, self.speaker, count)
        return [self.around.spoken_at(row) for row in islice(cycle(rows), count)]

    def stranger(self) -> Codes:
        """An utterance of another speaker."""
        return self.around.store.codes(self.around.candidates.draw_stranger(self.rng, self.speaker))

    def noise(self) -> Codes:
        """A clip of noise."""
        return self.around.store.codes(int(self.around.noise[int(self.rng.integers(len(self.around.noise)))]))

    def noisy(self, codes: Codes, noise: Codes) -> Codes:
        """Codes [T, Q] with noise from end to end."""
        if not len(codes):
            return codes
        return self.around.mixer.mix([(codes, 1.0), (repeated(noise, len(codes)), self.around.cfg.noise_scale)])
