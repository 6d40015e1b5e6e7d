"""What every tokenizer offers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """IPA phonemes to token ids and back."""

    @property
    def vocabulary(self) -> dict[str, int]:
        """Id of every token; several tokens may share an id."""
        ...

    @property
    def size(self) -> int:
        """Highest id + 1."""
        ...

    @property
    def bos(self) -> int:
        """Id that begins every text."""
        ...

    @property
    def eos(self) -> int:
        """Id that ends every text."""
        ...

    @property
    def identity(self) -> str:
        """SHA-256, hexadecimal, of what decides the ids: equal for tokenizers that encode alike."""
        ...

    def encode(self, phonemes: str) -> list[int]:
        """Ids of `phonemes` between bos and eos; an unknown symbol gives the id of `<unk>`, 0."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Phonemes of `ids`, bos and eos left out; TextError for an id that is not in the vocabulary."""
        ...


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of canonical JSON: the same for equal content in every process and on every machine."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
