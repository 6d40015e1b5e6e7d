"""Symbols that a tokenizer has no token for."""

from __future__ import annotations

from .tokenizer import Tokenizer


def unknown_symbols(phonemes: str, tokenizer: Tokenizer) -> list[str]:
    """Those of `phonemes`, each once, in the order of their code points."""
    unknown = tokenizer.vocabulary.get("<unk>", 0)
    if unknown not in tokenizer.encode(phonemes):
        return []
    return [symbol for symbol in sorted(set(phonemes)) if unknown in tokenizer.encode(symbol)]


def named(symbol: str) -> str:
    """A symbol as people can look it up."""
    return f"{symbol!r} (U+{ord(symbol):04X})"
