"""Speech that a model writes down, and how far that is from what was said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rapidfuzz.distance import Levenshtein

from vall_e.data.sample import Sample
from vall_e.decoding.transcribe import phonemes_of, transcribe
from vall_e.models.vall_e import VallE
from vall_e.text.languages import language_id
from vall_e.text.tokenizer import Tokenizer

LONGEST = 2
"""How many times as many tokens as were said a model may write."""


@dataclass(frozen=True)
class Written:
    """Phonemes said and written, and the fewest insertions, deletions and replacements of symbols that lead from one
    to the other."""

    said: str
    written: str
    errors: int


def write_down(model: VallE, samples: Sequence[Sample], tokenizer: Tokenizer, batch_size: int) -> list[Written]:
    """What a model writes of the responses of samples; a sample's result does not depend on the others."""
    by_language: dict[int, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_language[language_id(sample.language)].append(index)
    found: dict[int, Written] = {}
    for language, members in by_language.items():
        for first in range(0, len(members), batch_size):
            batch = members[first : first + batch_size]
            found |= zip(batch, _write(model, [samples[i] for i in batch], language, tokenizer), strict=True)
    return [found[index] for index in range(len(samples))]


def _write(model: VallE, batch: Sequence[Sample], language: int, tokenizer: Tokenizer) -> list[Written]:
    limits = [LONGEST * len(sample.tokens) for sample in batch]
    ids = transcribe(model, [torch.from_numpy(sample.response) for sample in batch], max(limits), language)
    written = [phonemes_of(row[:limit], tokenizer) for row, limit in zip(ids, limits, strict=True)]
    said = [phonemes_of(sample.tokens.tolist(), tokenizer) for sample in batch]
    return [Written(one, other, Levenshtein.distance(one, other)) for one, other in zip(said, written, strict=True)]
