import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vall_e.errors import TextError
from vall_e.text.normalise import normalise


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("  two\n lines\t here ", "two lines here"),
        ("cafe\u0301 so\u00adft\u200b", "café soft"),
        ("‘don’t’ «oui» „ja“", "'don't' “oui” “ja“"),
        ("yes -- no - maybe – well-known", "yes — no — maybe — well-known"),
        ("Wait... what ?!", "Wait… what?!"),
        ("ＡＢＣ　１２３", "ABC 123"),
        ("a [note] {here}", "a (note) (here)"),
    ],
)
def test_typography_is_made_plain(text, normalised):
    assert normalise(text, "en") == normalised


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        (
            "Dr. Smith of 5 Elm Dr. met St. Paul on Main St.",
            "Doctor Smith of 5 Elm Drive met Saint Paul on Main Street",
        ),
        ("cats vs. dogs, etc.", "cats versus dogs, et cetera."),
        ("in the U.S. law", "in the U.S law"),
        ("He left the U.S.", "He left the U.S."),
        ("John F. Kennedy and J. R. R. Tolkien", "John F Kennedy and J R R Tolkien"),
        ("$5.50, £1, €20 and $1.5 million", "5 dollars and 50 cents, 1 pound, 20 euros and 1.5 million dollars"),
        ("in 1984, 1905 and the 1990s", "in 19 84, 19 oh 5 and the 19 nineties"),
        ("No. 5 of 1500 at 10:30", "number 5 of 1500 at 10:30"),
    ],
)
def test_english_is_written_out_where_espeak_reads_it_badly(text, normalised):
    assert normalise(text, "en-us") == normalised


@pytest.mark.parametrize(
    ("text", "language", "normalised"),
    [
        ("Es ist z.B. am 5. Mai, usw.", "de", "Es ist zum Beispiel am 5 Mai, und so weiter."),
        ("M. Dupont et Mme Curie", "fr", "Monsieur Dupont et Madame Curie"),
        ("La Sra. López", "es", "La señora López"),
        ("Il Sig. Rossi", "it", "Il signor Rossi"),
        ("т.е. чай", "ru", "то есть чай"),
        ("你好，世界。「好」", "zh", "你好, 世界. “好”"),
    ],
)
def test_other_languages_have_their_abbreviations_and_marks(text, language, normalised):
    assert normalise(text, language) == normalised


@pytest.mark.parametrize("text", ["", " \n", "!?…", "\u200b"])
def test_a_text_without_anything_to_speak_is_refused(text):
    with pytest.raises(TextError, match="nothing to speak"):
        normalise(text, "en")


@example("$£0", "en")
@given(
    st.text(alphabet=st.sampled_from("aZ 5.,$£“\"'-–—…!?()[] \n。，é0sUSDrt"), min_size=1),
    st.sampled_from(["en", "de", "zh"]),
)
def test_normalising_twice_changes_nothing(text, language):
    try:
        once = normalise(text, language)
    except TextError:
        return
    assert normalise(once, language) == once
