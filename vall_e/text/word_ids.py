"""Token ids word by word: a text has few words that no text before it had, so most are looked up."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer as HuggingFaceTokenizer

MOST_WORDS = 1 << 15
"""Words that are kept: some ten megabytes."""
BLANK = " "
WHOLE = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
"""What a model does to the first or last symbol of a text, to all of it, or at random."""
REACHING = ("single_word", "lstrip", "rstrip")
"""What lets an added token depend on the symbols around it."""
SURROUNDING = ["SpecialToken", "Sequence", "SpecialToken"]


class WordIds(dict[str, list[int]]):
    """The ids of each word, with that of a blank behind them. When it is full it starts afresh."""

    def __init__(self, tokenizer: HuggingFaceTokenizer) -> None:
        self._tokenizer = tokenizer
        self._blank = self._ids(BLANK)

    def __missing__(self, word: str) -> list[int]:
        if len(self) >= MOST_WORDS:
            self.clear()
        ids = self[word] = self._ids(word) + self._blank
        return ids

    def __reduce__(self) -> tuple[type[WordIds], tuple[HuggingFaceTokenizer]]:
        return WordIds, (self._tokenizer,)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def parts_at_blanks(content: dict[str, Any]) -> bool:
    """Whether a tokenizer, the content of its `tokenizer.json`, gives a text the ids of its words and of the blanks
    between them: nothing it knows reaches over a blank, and nothing it does depends on the text as a whole."""
    model, added = content["model"], content.get("added_tokens") or []
    whole = any(content.get(name) for name in ("normalizer", "pre_tokenizer", "truncation", "padding"))
    whole = whole or any(model.get(name) for name in WHOLE)
    across = any(BLANK in token and token != BLANK for token in model["vocab"])
    across = across or any(BLANK in token["content"] or any(token.get(name) for name in REACHING) for token in added)
    return model.get("type") == "BPE" and BLANK in model["vocab"] and not whole and not across and _surrounds(content)


def _surrounds(content: dict[str, Any]) -> bool:
    """Whether all that is added to the ids of a text is a token before it and one behind."""
    template = (content.get("post_processor") or {}).get("single")
    return isinstance(template, list) and [next(iter(piece), None) for piece in template] == SURROUNDING
