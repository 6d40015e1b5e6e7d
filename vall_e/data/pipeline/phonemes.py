"""Step 3: phonemes of every text, and the symbols among them that the tokenizer does not know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vall_e.data.store.store import Store
from vall_e.errors import TextError
from vall_e.text import Tokenizer
from vall_e.text.phonemise import phonemise
from vall_e.text.unknown_symbols import unknown_symbols

from .journal import Journal, key_of
from .piece import Dropped, Piece
from .progress import progress


class Phonemisation:
    """The phonemes of each piece; a journal keeps them, or `{dropped}`."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def phonemes(self, piece: Piece) -> str | Dropped | None:
        """Phonemes of a piece, why it has none, or None if they are not found yet; noise has ""."""
        if piece.split == "noise":
            return ""
        if piece.phonemes is not None:
            return piece.phonemes
        key = _key(piece)
        if key not in self.journal:
            return None
        found = self.journal[key]
        return Dropped(piece.id, found["dropped"], "phonemise") if isinstance(found, dict) else str(found)

    def pending(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Pieces whose phonemes are to be found yet."""
        return [piece for piece in pieces if self.phonemes(piece) is None]

    def run(self, pieces: Sequence[Piece]) -> None:
        """Find the phonemes of what has none yet."""
        pending = self.pending(pieces)
        for piece in progress("Phonemising", pending, len(pending), len(pieces)):
            if (key := _key(piece)) not in self.journal:  # the same text may be said twice
                self.journal.add(key, _phonemes(piece))
        self.journal.close()


def _key(piece: Piece) -> str:
    return key_of("phonemise", piece.language, piece.text)


def _phonemes(piece: Piece) -> Any:
    try:
        return phonemise([piece.text], piece.language)[0]
    except TextError as error:
        return {"dropped": str(error)}


class UnknownSymbols:
    """Symbols of phonemes that a tokenizer has no token for, and the utterances that hold them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.found: dict[str, list[str]] = {}

    def look(self, id_: str, phonemes: str) -> None:
        """Take in the phonemes of an utterance."""
        for symbol in unknown_symbols(phonemes, self._tokenizer):
            self.found.setdefault(symbol, []).append(id_)

    def look_through(self, path: Path) -> None:
        """Take in the phonemes of a dataset."""
        with Store(path) as store:
            for row in range(len(store)):
                self.look(store.text("id", row), store.text("phonemes", row))
