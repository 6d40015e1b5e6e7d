"""What espeak reads badly in English: money, years, decades, and the two meanings of `St.` and `Dr.`."""

from __future__ import annotations

import re

MONEY = re.compile(
    r"(?<![$£€])(?<![$£€]\s)"  # after two signs it is anyone's guess
    r"([$£€])\s?(\d+(?:,\d{3})*)(\.\d+)?( thousand| million| billion| trillion)?(?![\w%])"
)
UNITS = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent")}
PLURALS = {"penny": "pence"}
YEAR = re.compile(r"(?<![\w$£€#.,:/-])(1[1-9])(\d[1-9]|[1-9]0)(?![\w%]|[.,:/-]\d)")
DECADE = re.compile(r"(?<!\w)(1[1-9]|20|['’])?([2-9]0)['’]?s(?!\w)")
DECADES = {
    "20": "twenties",
    "30": "thirties",
    "40": "forties",
    "50": "fifties",
    "60": "sixties",
    "70": "seventies",
    "80": "eighties",
    "90": "nineties",
}
MEANINGS = (  # pattern, what it means
    (re.compile(r"\bSt\.? (?=[A-Z])"), "Saint "),
    (re.compile(r"\bSt\.(?!\w)"), "Street"),
    (re.compile(r"\bDr\.? (?=[A-Z])"), "Doctor "),
    (re.compile(r"\bDr\.(?!\w)"), "Drive"),
    (re.compile(r"\b[Nn]o\. (?=\d)"), "number "),
)


def write_out_english(text: str) -> str:
    """`$5.50` as `5 dollars and 50 cents`, `1984` as `19 84`, `1990s` as `19 nineties`, `St. James St.` in full."""
    text = MONEY.sub(_money, text)
    text = DECADE.sub(_decade, text)
    text = YEAR.sub(_year, text)
    for pattern, meaning in MEANINGS:
        text = pattern.sub(meaning, text)
    return text


def _money(found: re.Match[str]) -> str:
    sign, whole, fraction, scale = found.groups()
    unit, part = UNITS[sign]
    if scale or (fraction and len(fraction) != 3):
        return f"{whole}{fraction or ''}{scale or ''} {unit}s"
    words = _count(whole, unit)
    return words if fraction in (None, ".00") else f"{words} and {_count(str(int(fraction[1:])), part)}"


def _count(number: str, unit: str) -> str:
    return f"{number} {unit}" if number == "1" else f"{number} {PLURALS.get(unit, unit + 's')}"


def _decade(found: re.Match[str]) -> str:
    century, decade = found.groups()
    return f"{century} {DECADES[decade]}" if century and century.isdigit() else DECADES[decade]


def _year(found: re.Match[str]) -> str:
    century, year = found.groups()
    return f"{century} oh {year[1]}" if year[0] == "0" else f"{century} {year}"
