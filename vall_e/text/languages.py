"""The languages: how a user names them, the id the model knows them by, and espeak's voice for them."""

from __future__ import annotations

from vall_e.config.nearest import hint
from vall_e.errors import TextError

LANGUAGE_IDS = {"en": 0, "ja": 1, "de": 2, "fr": 3, "zh": 4, "ko": 5, "es": 6, "it": 7, "ru": 8}

VOICES = {
    "en": "en-us",
    "en-us": "en-us",
    "en-gb": "en-gb",
    "en-gb-scotland": "en-gb-scotland",
    "en-gb-x-rp": "en-gb-x-rp",
    "en-029": "en-029",
    "ja": "ja",
    "de": "de",
    "fr": "fr-fr",
    "fr-fr": "fr-fr",
    "fr-be": "fr-be",
    "fr-ch": "fr-ch",
    "zh": "cmn",
    "cmn": "cmn",
    "ko": "ko",
    "es": "es",
    "es-419": "es-419",
    "it": "it",
    "ru": "ru",
}


def espeak_voice(code: str) -> str:
    """espeak's voice for a language code: `en-us` for `en`; TextError names the nearest of an unknown code."""
    voice = VOICES.get(code.strip().lower().replace("_", "-"))
    if voice is None:
        raise TextError(f"language {code!r} is not known, allowed: {', '.join(VOICES)}{hint(code, VOICES)}")
    return voice


def base_language(code: str) -> str:
    """The language without its region: `en` for `en-us`, `zh` for `cmn`."""
    base = espeak_voice(code).partition("-")[0]
    return "zh" if base == "cmn" else base


def language_id(code: str) -> int:
    """The row of the model's language embedding, 0 to 8."""
    return LANGUAGE_IDS[base_language(code)]
