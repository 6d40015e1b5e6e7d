"""Mandarin phonemes with all tones and syllables.

In IPA espeak writes the first figure of a tone alone, so that the high level tone (55) and the falling tone (51) look
the same. Its own phoneme names keep both figures; the tones are taken from there.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from vall_e.errors import TextError

TONES = {"55": "ˉ", "35": "ˊ", "214": "ˇ", "21": "ˇ", "51": "ˋ", "11": "˙", "22": "˙"}
FIGURES = re.compile(r"\d+")
IPA_FIGURE = re.compile("[1235ɜ](?=[^1235ɜ]*$)")
FOREIGN = re.compile(r"(\((?!cmn)[a-z-]+\).*?(?:\(cmn\)|$))")
# espeak lacks jiong, qiong, xiong and the lone er, and spells their pinyin as an English word with a number.
SPELT_PINYIN = re.compile(r"(dʒɪəŋ|kɪəŋ|kʃəŋ|(?<![^ )])r)(wˈɒn|wˈʌn|tˈuː|θɹˈiː|fˈɔːɹ?|fˈaɪv)")
PINYIN = {"dʒɪəŋ": "tɕˈioŋ", "kɪəŋ": "tɕhˈioŋ", "kʃəŋ": "ɕˈioŋ", "r": "ər"}
NUMBER_TONES = {"wˈɒn": "ˉ", "wˈʌn": "ˉ", "tˈuː": "ˊ", "θɹˈiː": "ˇ", "fˈɔː": "ˋ", "fˈɔːɹ": "ˋ", "fˈaɪv": "˙"}
SYMBOLS = (  # what espeak leaves as ASCII
    ("ts.h", "ʈʂʰ"),
    ("ts.", "ʈʂ"),
    ("s.", "ʂ"),
    ("i.", "ɨ"),
    ("i̪", "ɨ"),
    ("o-", "ɤ"),
    ("onɡ", "oŋ"),
)
BEFORE_ER = re.compile(r"(?<=[\u4e00-\u9fff])(?=儿)")
ASPIRATED = re.compile("(?<=[ptksɕ])h")
SEPARATED, IPA = ord("_") << 8, 0x02


def mandarin_phonemes(text: str, backend: Any) -> str:
    """IPA of a text without punctuation; a tone mark `ˉ ˊ ˇ ˋ ˙` follows the vowel of its syllable.

    Words of other languages keep espeak's language flags around them.
    """
    # espeak spells a word like 花儿 in English letters, its parts it knows.
    return "".join(_part(part, backend) for part in BEFORE_ER.split(text))


def _part(text: str, backend: Any) -> str:
    ipa, names = (FOREIGN.split(_spell(text, alphabet, backend)) for alphabet in (IPA, 0))
    if len(ipa) != len(names):
        raise _no_tones(text)
    return "".join(
        _native_syllables(ipa[i]) if i % 2 else _symbols(_with_tones(ipa[i], names[i], text)) for i in range(len(ipa))
    )


def _spell(text: str, alphabet: int, backend: Any) -> str:
    """espeak's phonemes of `text`, `_` between them and blanks between words."""
    # phonemizer asks for IPA only; its binding of espeak's function takes the other alphabet, too.
    espeak = backend._espeak._espeak
    pointer = ctypes.pointer(ctypes.c_char_p(text.encode()))
    clauses = []
    while pointer.contents.value is not None:
        clauses.append(espeak.text_to_phonemes(pointer, 1, SEPARATED | alphabet) or b"")
    spelled = b" ".join(clauses).decode().replace("|", "")
    return re.sub(r"_*\s+", " ", re.sub("_+", "_", spelled)).strip()


def _native_syllables(foreign: str) -> str:
    plain = re.sub(r"[_ ]+(?=\()", "", foreign.replace("_", ""))
    return SPELT_PINYIN.sub(lambda found: _symbols(PINYIN[found[1]] + NUMBER_TONES[found[2]]), plain)


def _with_tones(ipa: str, names: str, text: str) -> str:
    """`ipa` without separators, the figures of its tones replaced by tone marks; `names` tells the tones."""
    phonemes, their_names = (re.split("(_| )", spelled) for spelled in (ipa, names))
    if len(phonemes) != len(their_names):
        raise _no_tones(text)
    toned = (_with_tone(phoneme, FIGURES.search(name)) for phoneme, name in zip(phonemes, their_names, strict=True))
    return "".join(toned).replace("_", "")


def _with_tone(phoneme: str, figures: re.Match[str] | None) -> str:
    return IPA_FIGURE.sub(TONES[figures[0]], phoneme) if figures and figures[0] in TONES else phoneme


def _symbols(phonemes: str) -> str:
    for ascii_symbol, symbol in SYMBOLS:
        phonemes = phonemes.replace(ascii_symbol, symbol)
    return ASPIRATED.sub("ʰ", phonemes)


def _no_tones(text: str) -> TextError:
    return TextError(f"espeak-ng gives no tones for the Mandarin text {text!r}; another release of espeak-ng may")
