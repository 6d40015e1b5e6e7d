"""Text to IPA phonemes with stress marks, punctuation kept where it stood.

Punctuation cuts a text into pieces here rather than in phonemizer, whose own way of restoring it cuts `$5.50` and
`e.g.` at their dots and moves phonemes into the next text of a batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from threading import Lock

from vall_e.errors import TextError

from .espeak import backend
from .japanese import to_kana
from .languages import espeak_voice
from .mandarin import mandarin_phonemes
from .normalise import normalise
from .symbols import to_ipa

# A mark between two letters or figures belongs to them: 5.50, 10:30, example.com. Blanks around marks stay with them.
MARKS = re.compile(r"(\s*(?:[;!?¡¿—…“”\"()]|(?<!\w)[,.:]|[,.:](?!\w))(?:\s|[;:,.!?¡¿—…“”\"()])*)")
LANGUAGE_FLAG = re.compile(r"\([a-z]{2,3}(?:-[a-z0-9]+)*\)")
IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
RARE_IDEOGRAPH = re.compile("[\U00020000-\U0003ffff]")
_espeak_lock = Lock()


def phonemise(texts: Sequence[str], language: str) -> list[str]:
    """IPA phonemes of each text, normalised first: `Hello, world!` gives `həlˈoʊ, wˈɜːld!`.

    TextError names the text that gives no phonemes; MissingExtra if phonemizer or espeak-ng is not installed.
    """
    voice = espeak_voice(language)
    normalised = [normalise(text, language) for text in texts]
    return [_phonemise(spoken, voice, text) for text, spoken in zip(texts, normalised, strict=True)]


def _phonemise(spoken: str, voice: str, text: str) -> str:
    """Phonemes of a normalised text; errors name the text as the user wrote it."""
    if voice == "ja":
        spoken = to_kana(spoken)
    if unread := (RARE_IDEOGRAPH if voice == "cmn" else IDEOGRAPH).search(spoken):
        raise TextError(f"espeak-ng cannot read {unread[0]!r} in the language {voice}: {text!r}")
    pieces = MARKS.split(spoken)
    pieces[::2] = [_espeak(piece, voice) if piece else "" for piece in pieces[::2]]
    phonemes = " ".join("".join(pieces).split())
    if not any(character.isalpha() for character in phonemes):
        raise TextError(f"espeak-ng gives no phonemes for the text {text!r} in the language {voice}")
    return phonemes


def _espeak(piece: str, voice: str) -> str:
    """Phonemes of a piece of text that holds no punctuation, without espeak's language flags."""
    speaker = backend(voice)
    with _espeak_lock:
        raw = mandarin_phonemes(piece, speaker) if voice == "cmn" else speaker.phonemize([piece], strip=True)[0]
    return to_ipa(LANGUAGE_FLAG.sub("", raw), voice)
