"""Text to phonemes to token ids."""

from __future__ import annotations

from pathlib import Path

from vall_e.errors import TextError

from .ipa_tokenizer import IpaTokenizer
from .naive_tokenizer import NaiveTokenizer
from .tokenizer import Tokenizer

IPA = Path(__file__).with_name("ipa.json")

__all__ = ["IpaTokenizer", "NaiveTokenizer", "Tokenizer", "open_tokenizer"]


def open_tokenizer(kind: str | None, path: str | None) -> Tokenizer:
    """The tokenizer that `tokenizer` and `tokenizer_path` name; the shipped IPA tokenizer if both are None."""
    if kind == "naive" and path is None:
        return NaiveTokenizer()
    if kind is not None:
        raise TextError(
            f"tokenizer={kind} with tokenizer_path={path} is not allowed: allowed are naive without a path, or null"
        )
    return IpaTokenizer(Path(path) if path else IPA)
