import pytest

from vall_e.errors import TextError
from vall_e.text.languages import LANGUAGE_IDS, base_language, espeak_voice, language_id


@pytest.mark.parametrize(
    ("code", "base", "voice", "number"),
    [
        ("en", "en", "en-us", 0),
        ("en-gb", "en", "en-gb", 0),
        ("fr", "fr", "fr-fr", 3),
        ("zh", "zh", "cmn", 4),
        ("EN_us", "en", "en-us", 0),
    ],
)
def test_a_code_has_a_base_a_voice_and_an_id(code, base, voice, number):
    assert (base_language(code), espeak_voice(code), language_id(code)) == (base, voice, number)


def test_every_language_has_its_own_row():
    assert sorted(LANGUAGE_IDS.values()) == list(range(9))
    assert all(language_id(code) == number for code, number in LANGUAGE_IDS.items())


def test_an_unknown_language_is_refused_with_the_nearest():
    with pytest.raises(TextError, match=r"'en-uk' is not known.*nearest: en-us"):
        language_id("en-uk")
