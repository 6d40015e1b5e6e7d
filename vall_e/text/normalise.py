"""Text as a person typed it, made into text that espeak reads well.

espeak reads numbers, ordinals, times and most symbols of each language by itself; only what it reads badly is written
out here.
"""

from __future__ import annotations

import re
import unicodedata

from vall_e.errors import TextError

from .abbreviations import write_out
from .english import write_out_english
from .languages import base_language

QUOTES = str.maketrans(dict.fromkeys("«„‟〝", "“") | dict.fromkeys("»〞〟", "”") | dict.fromkeys("‘’‚‛ʼ′", "'"))
BRACKETS = str.maketrans("[{]}", "(())")
DASHES = str.maketrans(dict.fromkeys("–―⸺⸻", "—") | dict.fromkeys("‐‑−", "-"))
# These stand without blanks in their scripts; the blank keeps `。` from being read as the point of a number.
IDEOGRAPHIC = {
    "。": ". ",
    "、": ", ",
    "，": ", ",
    "！": "! ",
    "？": "? ",
    "：": ": ",
    "；": "; ",
    "「": " “",
    "『": " “",
    "《": " “",
    "」": "” ",
    "』": "” ",
    "》": "” ",
    "（": " (",
    "）": ") ",
    "【": " (",
    "】": ") ",
    "・": " ",
}
TABLES = (str.maketrans(IDEOGRAPHIC), QUOTES, BRACKETS, DASHES)
WIDTH_FORMS = re.compile("[\uff01-\uffee]+")
SPACED_HYPHEN = re.compile(r"(?<=\s)-+(?=\s)|-{2,}|^-+(?=\s)")
DOTS = re.compile(r"[.…](?: ?[.…])+")
CLOSING = re.compile(r"\s+(?=[,.;:!?…”)](?!\d))")
OPENING = re.compile(r"(?<=[“(¿¡])\s+")
GERMAN_DATE = re.compile(r"(?<=\d)\. (?=(?:Jan|Feb|März|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez))")


def normalise(text: str, language: str) -> str:
    """One line of NFC text with plain punctuation and written-out abbreviations, ready for espeak.

    The same text comes back when it is normalised again. TextError if nothing can be spoken or the language is unknown.
    """
    base = base_language(language)
    line = _one_line(_plain_punctuation(text))
    line = write_out(write_out_english(line) if base == "en" else line, base)
    if base == "de":
        line = GERMAN_DATE.sub(" ", line)
    if not any(character.isalnum() for character in line):
        raise TextError(f"text {text!r} holds no letter or digit: there is nothing to speak")
    return line


def _plain_punctuation(text: str) -> str:
    """Few kinds of quotes, dashes, brackets and widths; no invisible characters."""
    text = unicodedata.normalize("NFC", text)
    for table in TABLES:
        text = text.translate(table)
    text = WIDTH_FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return "".join(
        character for character in text if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf")
    )


def _one_line(text: str) -> str:
    """Blanks, dashes and dots in one form: `—` for a spaced hyphen, `…` for several dots."""
    text = SPACED_HYPHEN.sub("—", " ".join(text.split()))
    text = DOTS.sub("…", text)
    return OPENING.sub("", CLOSING.sub("", text))
