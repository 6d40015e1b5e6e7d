"""Japanese in kana, the only script espeak reads."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Any

from vall_e.errors import MissingExtra

KANJI = re.compile("[\u3400-\u4dbf\u4e00-\u9fff々〆]")


def to_kana(text: str) -> str:
    """`text` with kanji read in hiragana by pykakasi, which is asked for only if there are any."""
    if not KANJI.search(text):
        return text
    return "".join(str(word["hira"]) for word in _reader().convert(text))


@cache
def _reader() -> Any:
    try:
        kakasi: Any = import_module("pykakasi").kakasi
    except ImportError as error:
        raise MissingExtra("pykakasi", "japanese", "reading kanji (a text in kana needs no extra)") from error
    return kakasi()
