"""Abbreviations written out, so that their dots are not taken for the end of a sentence."""

from __future__ import annotations

import re

ABBREVIATIONS = {
    "en": {
        "Mr.": "Mister",
        "Mrs.": "Mrs",
        "Ms.": "Ms",
        "Prof.": "Professor",
        "Gen.": "General",
        "Capt.": "Captain",
        "Lt.": "Lieutenant",
        "Col.": "Colonel",
        "Sgt.": "Sergeant",
        "Rev.": "Reverend",
        "Gov.": "Governor",
        "Sen.": "Senator",
        "Jr.": "Junior",
        "Sr.": "Senior",
        "Mt.": "Mount",
        "Ave.": "Avenue",
        "vs.": "versus",
        "e.g.": "for example",
        "i.e.": "that is",
        "etc.": "et cetera",
        "approx.": "approximately",
    },
    "de": {
        "z.B.": "zum Beispiel",
        "z. B.": "zum Beispiel",
        "d.h.": "das heißt",
        "d. h.": "das heißt",
        "u.a.": "unter anderem",
        "usw.": "und so weiter",
        "bzw.": "beziehungsweise",
        "ca.": "circa",
        "Nr.": "Nummer",
        "Str.": "Straße",
        "St.": "Sankt",
        "Dr.": "Doktor",
        "Prof.": "Professor",
        "Hr.": "Herr",
        "Fr.": "Frau",
    },
    "fr": {
        "M.": "Monsieur",
        "MM.": "Messieurs",
        "Mme": "Madame",
        "Mlle": "Mademoiselle",
        "Dr.": "Docteur",
        "Dr": "Docteur",
        "n°": "numéro",
        "p. ex.": "par exemple",
        "p.ex.": "par exemple",
        "etc.": "et cetera",
    },
    "es": {
        "Sr.": "señor",
        "Sra.": "señora",
        "Srta.": "señorita",
        "Dr.": "doctor",
        "Dra.": "doctora",
        "Ud.": "usted",
        "Uds.": "ustedes",
        "p. ej.": "por ejemplo",
        "p.ej.": "por ejemplo",
        "etc.": "etcétera",
    },
    "it": {
        "Sig.": "signor",
        "Sig.ra": "signora",
        "Dott.": "dottor",
        "Dott.ssa": "dottoressa",
        "Prof.": "professor",
        "ecc.": "eccetera",
        "p.es.": "per esempio",
    },
    "ru": {
        "т.е.": "то есть",
        "т. е.": "то есть",
        "т.д.": "так далее",
        "т. д.": "так далее",
        "т.п.": "тому подобное",
        "т. п.": "тому подобное",
        "и др.": "и другие",
        "руб.": "рублей",
    },
}

INITIALISM = re.compile(r"\b[^\W\d_](?:\.[^\W\d_])+\.")  # U.S.A., a.m.
INITIALS = (  # J. R. Smith, then John F. Kennedy
    re.compile(r"\b([B-HJ-Z])\. (?=[A-Z]\.)"),
    re.compile(r"(\b[A-Z]\w* [B-HJ-Z])\. (?=[A-Z][a-z])"),
)
ENDING = re.compile(r"""["”')]*\s*$""")


def write_out(text: str, language: str) -> str:
    """`text` with the known abbreviations of the base `language` written out; `U.S. law` becomes `U.S law`.

    espeak spells letters with dots between them; the last dot would be a full stop.
    """
    known = ABBREVIATIONS.get(language, {})
    if known:
        longest_first = sorted(known, key=len, reverse=True)
        pattern = rf"(?<!\w)(?:{'|'.join(re.escape(short) for short in longest_first)})(?!\w)"
        text = re.sub(pattern, lambda found: known[found[0]] + _full_stop(found), text)
    text = INITIALISM.sub(lambda found: found[0].rstrip(".") + _full_stop(found), text)
    for initial in INITIALS:
        text = initial.sub(r"\1 ", text)
    return text


def _full_stop(found: re.Match[str]) -> str:
    """The dot of an abbreviation that ends the text is its full stop as well."""
    return "." if found[0].endswith(".") and ENDING.match(found.string, found.end()) else ""
