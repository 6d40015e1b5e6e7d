"""A tokenizer of IPA phonemes, read from a `tokenizer.json` of Hugging Face's `tokenizers`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as HuggingFaceTokenizer

from vall_e.errors import TextError

from .tokenizer import digest
from .word_ids import WordIds, parts_at_blanks

BOS, EOS, SPACE = 1, 2, " "


class IpaTokenizer:
    """Any `tokenizer.json` with bos 1, eos 2 and a token for the blank; ours ships as `ipa.json`.

    TextError with the path if the file is missing, damaged or of another making.
    """

    bos, eos = BOS, EOS

    def __init__(self, path: Path, content: str | None = None) -> None:
        """Read `path`, or take `content`, the text of such a file that was found in `path`."""
        text = _read(path) if content is None else content
        self.json = text
        try:
            tree = json.loads(text)
            self.vocabulary: dict[str, int] = _vocabulary(tree)
            self._tokenizer = HuggingFaceTokenizer.from_str(text)
            self._words = WordIds(self._tokenizer) if parts_at_blanks(tree) else None
        except Exception as error:  # the library raises bare Exception
            raise TextError(f"{path} is not a tokenizer.json: {error}") from error
        self._check(path)
        self.size = max(self.vocabulary.values()) + 1
        self.identity = _identity(tree, self.vocabulary)
        # Where tokens share an id, the one listed first stands for it.
        self._symbols = {token_id: token for token, token_id in reversed(self.vocabulary.items())}

    def encode(self, phonemes: str) -> list[int]:
        """Ids of `phonemes` between bos and eos; an unknown symbol gives the id of `<unk>`."""
        if self._words is None:
            return self._encode_whole(phonemes)
        ids = [BOS, *chain.from_iterable(map(self._words.__getitem__, phonemes.split(SPACE)))]
        ids[-1] = EOS
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Phonemes of `ids`, bos and eos left out; TextError for an id that is not in the vocabulary."""
        inner = [int(token) for token in ids if token not in (BOS, EOS)]
        if unknown := sorted(set(inner) - self._symbols.keys()):
            raise TextError(
                f"token id {unknown[0]} is not in the tokenizer's vocabulary, allowed: 0 to {self.size - 1}"
            )
        if self._tokenizer.decoder is not None:
            return str(self._tokenizer.decode(inner, skip_special_tokens=False))
        return "".join(self._symbols[token] for token in inner)

    def _encode_whole(self, phonemes: str) -> list[int]:
        return list(self._tokenizer.encode(phonemes).ids)

    def _check(self, path: Path) -> None:
        """Special ids are where the model expects them."""
        empty = self._encode_whole("")
        if empty != [BOS, EOS]:
            raise TextError(
                f"{path} turns an empty text into {empty}, but it must be [{BOS}, {EOS}]: bos is {BOS}, eos is {EOS}"
            )
        if SPACE not in self.vocabulary:
            raise TextError(f"{path} has no token for the blank between words")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{path} cannot be read as a tokenizer.json: {error}") from error


def _vocabulary(content: Any) -> dict[str, int]:
    """Tokens in the order of the file, the added ones last."""
    vocabulary = content["model"]["vocab"]
    if not isinstance(vocabulary, dict):
        raise ValueError(f"its model is {content['model'].get('type')}, allowed: BPE, WordLevel, WordPiece")
    return vocabulary | {token["content"]: token["id"] for token in content.get("added_tokens") or []}


def _identity(content: dict[str, Any], vocabulary: dict[str, int]) -> str:
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in content["model"].get("merges", [])]
    before = {name: content.get(name) for name in ("normalizer", "pre_tokenizer")}
    return digest({"vocabulary": vocabulary, "merges": merges, **before})
