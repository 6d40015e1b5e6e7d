"""Marks that espeak leaves as ASCII where IPA has a symbol."""

from __future__ import annotations

import re

TENSE = "\u0348"
RUSSIAN = {'u"': "ʉ", 'o"': "ɵ", "^": ""}
KOREAN_TENSE = re.compile(r"-(?=[ˈˌ]?[^\W\d_])")
KOREAN_ASPIRATED = re.compile("(?<=[ptkʃɕ])h")


def to_ipa(phonemes: str, voice: str) -> str:
    """espeak's phonemes in IPA alone: no hyphen for a French liaison or a Korean tense consonant, no `u"`."""
    if voice == "ru":
        for ascii_symbol, symbol in RUSSIAN.items():
            phonemes = phonemes.replace(ascii_symbol, symbol)
    if voice == "ko":
        phonemes = KOREAN_TENSE.sub(TENSE, phonemes.replace("q", "k"))
        phonemes = KOREAN_ASPIRATED.sub("ʰ", phonemes)
    return phonemes.replace("-", "")
