"""Cutting a text into pieces that are spoken one after another."""

from __future__ import annotations

import re

from vall_e.config.inference import TextSplit
from vall_e.text.normalise import normalise

# Behind a full stop and at most one closing mark, before what is no lower-case letter.
SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’»)]))\s+(?![a-zà-ÿа-я])|(?<=[。！？])")


def split_text(text: str, by: TextSplit, language: str) -> list[str]:
    """Pieces of a text without blanks around them, none empty; abbreviations are spelt out before sentences end."""
    lines = [line for line in text.splitlines() if line.strip()]
    match by:
        case TextSplit.none:
            pieces = [text]
        case TextSplit.lines:
            pieces = lines
        case TextSplit.sentences:
            pieces = [s for line in lines for s in SENTENCE_END.split(normalise(line, language))]
    return [piece.strip() for piece in pieces if piece.strip()]
