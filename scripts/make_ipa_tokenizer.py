"""Makes the IPA tokenizer that ships with vall_e.

    python scripts/make_ipa_tokenizer.py --text en=english.txt --text de=german.txt --output vall_e/text/ipa.json

Text files hold one sentence a line. The symbols below have fixed ids; the ids left up to 256 go to merges of the
sequences that are most frequent in the phonemes of the texts. The same texts and espeak-ng give the same file.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

from vall_e.text.phonemise import phonemise

SIZE = 256
SPECIAL = ("<unk>", "<bos>", "<eos>", "<mask>")
PUNCTUATION = " !\"'(),-.:;?¡¿«»—“”…"
LETTERS = "abcdefghijklmnopqrstuvwxyzäãæçẽðħĩõøœũŋɐɑɒɔɕɖəɘɚɛɜɝɞɟɡɢɣɤɥɦɨɪɫɬɭɯɰɱɲɳɴɵɸɹɻɽɾʀʁʂʃʈʉʊʋʌʍʎʏʐʑʒʔʝβθχᵻᵝʰʲʷ"
MARKS = "ˈˌːˑ" + "ˉˊˇˋ˙" + "\u0303\u0329\u031e\u032a\u0348\u031a\u0361"  # stress and length, tones, diacritics
Word = tuple[str, ...]
Merge = tuple[str, str]


def main() -> None:
    """Reads the texts named on the command line and writes the tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--text", action="append", required=True, metavar="LANGUAGE=FILE", help="may be given several times"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    words: Counter[Word] = Counter()
    for given in arguments.text:
        language, _, file = given.partition("=")
        words.update(words_of(Path(file).read_text(encoding="utf-8").splitlines(), language))
    symbols = [*SPECIAL, *PUNCTUATION, *LETTERS, *MARKS]
    write(arguments.output, tokenizer_json(symbols, learn_merges(words, SIZE - len(symbols))))


def words_of(lines: list[str], language: str) -> Counter[Word]:
    """Words of the phonemes of the lines, as tuples of symbols; punctuation is left out of merges."""
    apart = str.maketrans(dict.fromkeys(PUNCTUATION, " "))
    phonemes = phonemise([line for line in lines if line.strip()], language)
    words = Counter(tuple(word) for line in phonemes for word in line.translate(apart).split())
    if foreign := {symbol for word in words for symbol in word} - {*LETTERS, *MARKS}:
        raise SystemExit(f"the phonemes of {language} hold symbols without an id: {' '.join(sorted(foreign))}")
    return words


def learn_merges(words: Counter[Word], number: int) -> list[Merge]:
    """Byte-pair merges, the most frequent pair first and of equally frequent ones the first in code order."""
    merges: list[Merge] = []
    made: set[str] = set()
    while len(merges) < number:
        pairs: Counter[Merge] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        # Two merges that give the same token would share its id.
        new = [(-times, pair) for pair, times in pairs.items() if "".join(pair) not in made]
        if not new:
            raise SystemExit(f"the texts are too few for {number} merges, they give {len(merges)}")
        best = min(new)[1]
        merges.append(best)
        made.add("".join(best))
        words = merge_words(words, best)
    return merges


def merge_words(words: Counter[Word], pair: Merge) -> Counter[Word]:
    """The words with every occurrence of the pair made one symbol, from left to right."""
    merged: Counter[Word] = Counter()
    for word, times in words.items():
        symbols: list[str] = []
        for symbol in word:
            if symbols and (symbols[-1], symbol) == pair:
                symbols[-1] += symbol
            else:
                symbols.append(symbol)
        merged[tuple(symbols)] += times
    return merged


def tokenizer_json(symbols: list[str], merges: list[Merge]) -> dict[str, object]:
    """Content of a `tokenizer.json` whose ids are the symbols, then the merges."""
    tokens = [*symbols, *("".join(merge) for merge in merges)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    bos, eos = SPECIAL[1:3]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": token, **flags} for number, token in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": bos, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": eos, "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                token: {"id": token, "ids": [tokens.index(token)], "tokens": [token]} for token in (bos, eos)
            },
        },
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": SPECIAL[0],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [" ".join(merge) for merge in merges],
        },
    }


def write(path: Path, content: dict[str, object]) -> None:
    """Writes JSON under a temporary name, then renames it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    main()
