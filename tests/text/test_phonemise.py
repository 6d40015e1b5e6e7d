import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from vall_e.errors import MissingExtra, TextError
from vall_e.text import open_tokenizer
from vall_e.text.phonemise import phonemise

pytest.importorskip("phonemizer")
pytest.importorskip("espeakng_loader")

SENTENCES = {
    "en": [
        "She had your dark suit in greasy wash water all year.",
        "Measure the thought, judge 1,234.5 huge things!",
        "A button, a bottle.",
    ],
    "en-gb": ["The other car's better; hot or not?"],
    "de": ["Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.", "Ich möchte 25 Äpfel, danke."],
    "fr": ["Portez ce vieux whisky au juge blond qui fume.", "Un grand garçon a mangé des œufs, « oui » ?"],
    "es": ["¿Qué tal? El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia.", "¡El niño y la guitarra!"],
    "it": ["Pranzo d'acqua fa volti sghembi.", "Gli gnocchi, lo zio e la sciarpa: 21 euro."],
    "ja": ["いろはにほへと、ちりぬるを。", "ファッションとヴァイオリン、ぎゅうにゅう！", "りょこう、ん"],
    "zh": ["妈麻马骂吗，知道日四。", "我有25个苹果；熊猫很穷，他去兄弟家。", "女儿喝绿茶，月圆云。"],
    "ko": ["안녕하세요, 저는 학생입니다.", "까치 꽃 빵 떡 짜다 싸다, 값이 25원."],
    "ru": ["Съешь ещё этих мягких французских булок, да выпей же чаю.", "Объём люблю бюро, щука."],
}


@pytest.mark.parametrize("language", SENTENCES)
def test_every_phoneme_of_every_language_is_in_the_vocabulary(language):
    tokenizer = open_tokenizer(None, None)
    for phonemes in phonemise(SENTENCES[language], language):
        assert tokenizer.vocabulary["<unk>"] not in tokenizer.encode(phonemes), phonemes
        assert tokenizer.decode(tokenizer.encode(phonemes)) == phonemes
        assert not any(character.isdigit() or character in "_^-" for character in phonemes), phonemes


def test_punctuation_stays_where_it_stood():
    assert phonemise(['Hello, world! How are you? I said "yes" — (really)…'], "en") == [
        'həlˈoʊ, wˈɜːld! hˈaʊ ɑːɹ juː? aɪ sˈɛd "jˈɛs" — (ɹˈiəli)…'
    ]


def test_points_of_numbers_and_abbreviations_move_nothing_to_another_text():
    texts = ["It is 5.50 or 1,234.", "Dr. Li, e.g. at 10:30 a.m.", "See example.com."]
    assert phonemise(texts, "en") == [phonemise([text], "en")[0] for text in texts]
    assert [phonemes.count(".") for phonemes in phonemise(texts, "en")] == [1, 1, 1]


def test_a_foreign_word_leaves_no_language_flag():
    assert phonemise(["Le week-end."], "fr") == ["lə wˈiːkˈɛnd."]


def test_regions_are_spoken_differently():
    assert phonemise(["better"], "en-gb") != phonemise(["better"], "en-us") == phonemise(["better"], "en")


def test_mandarin_keeps_its_five_tones_apart():
    assert phonemise(["妈 麻 马 骂 吗"], "zh") == ["mˈɑˉ mˈɑˊ mˈɑˇ mˈɑˋ mˈɑ˙"]


def test_mandarin_syllables_that_espeak_spells_in_english_are_spoken():
    assert phonemise(["熊 穷", "这儿"], "zh") == ["ɕˈioŋˊ tɕʰˈioŋˊ", "ʈʂˈɤˋˈərˊ"]


def test_mandarin_takes_words_in_latin_letters():
    [phonemes] = phonemise(["我用 Python 三天"], "zh")
    assert phonemes.startswith("wˈoˇ") and "pˈaɪθən" in phonemes and phonemes.endswith("tʰˈiɛˉn")


def test_kanji_are_read_by_pykakasi():
    pytest.importorskip("pykakasi")
    assert phonemise(["東京です"], "ja") == phonemise(["とうきょうです"], "ja")


def test_kanji_without_pykakasi_name_the_extra(monkeypatch):
    from vall_e.text import japanese

    japanese._reader.cache_clear()
    monkeypatch.setitem(sys.modules, "pykakasi", None)
    with pytest.raises(MissingExtra, match="vall_e\\[japanese\\]"):
        phonemise(["東京"], "ja")


def test_missing_phonemizer_names_the_extra(monkeypatch):
    from vall_e.text import espeak

    espeak._wrapper.cache_clear()
    monkeypatch.setitem(sys.modules, "phonemizer.backend.espeak.wrapper", None)
    with pytest.raises(MissingExtra, match="vall_e\\[espeak\\]"):
        espeak._wrapper()
    espeak._wrapper.cache_clear()


@pytest.mark.parametrize(("text", "language"), [("漢字", "ko"), ("日本", "en")])
def test_ideographs_that_espeak_would_call_chinese_letter_are_refused(text, language):
    with pytest.raises(TextError, match=text):
        phonemise([text], language)


def test_an_empty_text_is_refused():
    with pytest.raises(TextError, match="nothing to speak"):
        phonemise(["good", " "], "en")


def test_no_texts_give_no_phonemes():
    assert phonemise([], "en") == []


def test_processes_started_afresh_and_forked_ones_give_the_same_phonemes():
    here = phonemise(["Hello, world!"], "en")
    for way in ("spawn", "fork"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(way)) as pool:
            assert list(pool.map(phonemise, [["Hello, world!"]] * 4, ["en"] * 4)) == [here] * 4


def test_phonemising_prints_nothing(capfd):
    phonemise(["Un week-end, one two", "well-known O'Neil"], "fr")
    assert capfd.readouterr() == ("", "")


def test_importing_the_package_imports_neither_torch_nor_phonemizer():
    code = "import sys, vall_e.text, vall_e.text.phonemise; print({'torch', 'phonemizer'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "set()"
    )
