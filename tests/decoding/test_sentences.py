"""Where a text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vall_e.config.inference import TextSplit
from vall_e.decoding.sentences import split_text
from vall_e.text.normalise import normalise


@pytest.mark.parametrize(
    ("language", "text", "pieces"),
    [
        ("en", "One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("en", "  Hello there  ", ["Hello there"]),
        ("en", "He said “Go away.” She went.", ["He said “Go away.”", "She went."]),
        ("en", "(It rained.) We stayed.", ["(It rained.)", "We stayed."]),
        ("en", "Wait... what? Yes.", ["Wait… what?", "Yes."]),
        ("en", "Line one.\n\nLine two", ["Line one.", "Line two"]),
        ("en", "Pi is 3.14 today. Good.", ["Pi is 3.14 today.", "Good."]),
        ("de", "Das ist gut. Ärzte sagen ja!", ["Das ist gut.", "Ärzte sagen ja!"]),
        ("fr", "Ça va ? Très bien ! À demain.", ["Ça va?", "Très bien!", "À demain."]),
        ("es", "¿Qué tal? ¡Bien! Adiós.", ["¿Qué tal?", "¡Bien!", "Adiós."]),
        ("ru", "Да. Нет. Может быть.", ["Да.", "Нет.", "Может быть."]),
        ("zh", "你好。再见！好吗？", ["你好.", "再见!", "好吗?"]),
        ("ja", "こんにちは。元気ですか？", ["こんにちは.", "元気ですか?"]),
    ],
)
def test_sentences_end_at_full_stops(language: str, text: str, pieces: list[str]) -> None:
    assert split_text(text, TextSplit.sentences, language) == pieces


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Dr. Smith met Mrs. Jones at St. Mary's."),
        ("en", "Fruit, e.g. Apples, is good."),
        ("de", "Herr Dr. Müller kommt z.B. Montag."),
        ("de", "Am 3. Oktober ist frei."),
        ("fr", "M. Dupont arrive."),
    ],
)
def test_abbreviations_end_no_sentence(language: str, text: str) -> None:
    assert len(split_text(text, TextSplit.sentences, language)) == 1


def test_lines_are_kept_whole() -> None:
    assert split_text(" One. Two. \n\n  Three.\n", TextSplit.lines, "en") == ["One. Two.", "Three."]


def test_nothing_is_cut_if_nothing_is_to_be() -> None:
    assert split_text(" One. Two.\nThree. ", TextSplit.none, "en") == ["One. Two.\nThree."]


@pytest.mark.parametrize("by", TextSplit)
@pytest.mark.parametrize("text", ["", "  ", "\n \n"])
def test_an_empty_text_has_no_pieces(by: TextSplit, text: str) -> None:
    assert split_text(text, by, "en") == []


words = st.sampled_from(["Hello", "world", "It's", "Über", "3.14", "Dr.", "“Yes”", "no", "I"])
marks = st.sampled_from(["", ".", "!", "?", "…", ",", ".”", "!)", "..."])
sentences = st.lists(st.tuples(words, marks), min_size=1, max_size=12)


@given(sentences)
def test_no_letter_is_lost_and_no_piece_is_without_one(parts: list[tuple[str, str]]) -> None:
    text = " ".join(word + mark for word, mark in parts)
    pieces = split_text(text, TextSplit.sentences, "en")
    assert all(any(letter.isalnum() for letter in piece) for piece in pieces)
    assert "".join(pieces).replace(" ", "") == normalise(text, "en").replace(" ", "")
