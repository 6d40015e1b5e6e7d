"""The tokenizer of early weights: one id a symbol, a stress or length mark glued to the symbol before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vall_e.errors import TextError

from .tokenizer import digest

VOCABULARY = Path(__file__).with_name("naive.json")
MARKS = "ˈˌː"
UNKNOWN, BOS, EOS, SPACE = 0, 1, 2, " "


class NaiveTokenizer:
    """228 ids from a fixed table; `?` and `p` share id 7, which decodes to `p`.

    A blank gives two ids, and one before a stress mark: weights were trained with that.
    """

    bos, eos = BOS, EOS

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = json.loads(VOCABULARY.read_text(encoding="utf-8"))
        self.size = max(self.vocabulary.values()) + 1
        self.identity = digest({"vocabulary": self.vocabulary, "glued": MARKS})
        self._symbols = {token_id: symbol for symbol, token_id in self.vocabulary.items()} | {UNKNOWN: "<unk>"}

    def encode(self, phonemes: str) -> list[int]:
        """Ids of `phonemes` between bos and eos; an unknown symbol gives 0."""
        spaced = " ".join(phonemes)
        for mark in MARKS:
            spaced = spaced.replace(f" {mark}", mark)
        return [BOS, *(self.vocabulary.get(symbol or SPACE, UNKNOWN) for symbol in spaced.split(" ")), EOS]

    def decode(self, ids: Sequence[int]) -> str:
        """Symbols of `ids`, bos and eos left out; TextError for an id that is not in the table."""
        inner = [int(token) for token in ids if token not in (BOS, EOS)]
        if unknown := sorted(set(inner) - self._symbols.keys()):
            raise TextError(f"token id {unknown[0]} is not in the naive vocabulary, allowed: 0 to {self.size - 1}")
        return "".join(self._symbols[token] for token in inner)
