import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as HuggingFaceTokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing

from vall_e.errors import TextError
from vall_e.text import IpaTokenizer, NaiveTokenizer, open_tokenizer, word_ids

IPA = open_tokenizer(None, None)
NAIVE = open_tokenizer("naive", None)
SYMBOLS = sorted(token for token in IPA.vocabulary if not token.startswith("<"))


def foreign(path: Path, bos: str = "<bos>", eos: str = "</eos>", **changes: int) -> Path:
    """A small tokenizer.json of other making, with an alias (ä of a) and one merge."""
    vocabulary = {"<unk>": 0, "<bos>": 1, "</eos>": 2, "<mask>": 3, " ": 4, "a": 5, "ä": 5, "b": 6, "ab": 7} | changes
    tokenizer = HuggingFaceTokenizer(BPE(vocab=vocabulary, merges=[("a", "b")], unk_token="<unk>"))
    tokenizer.add_special_tokens(["<unk>", "<bos>", "</eos>", "<mask>"])
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", vocabulary[bos]), ("<eos>", vocabulary[eos])]
    )
    content = json.loads(tokenizer.to_str())
    # The library writes one of the tokens that share an id, any of them.
    content["model"] |= {"vocab": vocabulary, "merges": ["a b"]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_shipped_vocabulary_has_256_ids_and_the_special_ones_of_the_model():
    assert sorted(IPA.vocabulary.values()) == list(range(256))
    assert (IPA.size, IPA.bos, IPA.eos) == (256, 1, 2)
    assert [IPA.vocabulary[token] for token in ("<unk>", "<bos>", "<eos>", "<mask>", " ")] == [0, 1, 2, 3, 4]


def test_an_empty_text_is_bos_and_eos():
    assert IPA.encode("") == [1, 2]
    assert IPA.decode([1, 2]) == ""


@given(st.lists(st.sampled_from(SYMBOLS)).map("".join))
def test_decoding_gives_back_what_was_encoded(phonemes):
    ids = IPA.encode(phonemes)
    assert (ids[0], ids[-1]) == (1, 2)
    assert IPA.decode(ids) == phonemes


def test_frequent_sequences_are_one_token():
    assert len(IPA.encode("ðə wˈɜːld")) - 2 < len("ðə wˈɜːld")


PHONEMES = st.lists(st.sampled_from([*SYMBOLS, " ", " ", " ", "☃", "<mask>", "<unk>", "</eos>", "<"])).map("".join)


@given(PHONEMES)
def test_word_by_word_gives_the_ids_of_the_library(phonemes):
    assert IPA.encode(phonemes) == HuggingFaceTokenizer.from_str(IPA.json).encode(phonemes).ids


@pytest.fixture(scope="module", params=[False, True])
def fusing(request, tmp_path_factory):
    """A tokenizer.json that makes one id of unknown symbols in a row, or not."""
    content = json.loads(foreign(tmp_path_factory.mktemp("foreign") / "tokenizer.json").read_text())
    content["model"]["fuse_unk"] = request.param
    return json.dumps(content)


@given(phonemes=PHONEMES)
def test_word_by_word_gives_the_ids_of_the_library_for_other_files(fusing, phonemes):
    tokenizer, whole = IpaTokenizer(Path("foreign"), fusing), HuggingFaceTokenizer.from_str(fusing)
    assert tokenizer.encode(phonemes) == whole.encode(phonemes).ids


def test_words_beyond_those_kept_get_the_same_ids(monkeypatch):
    monkeypatch.setattr(word_ids, "MOST_WORDS", 3)
    tokenizer, text = IpaTokenizer(Path("shipped"), IPA.json), "ɐ lˈɪɾəl wˈɜːld ɐ lˈɪɾəl wˈɜːld ænd ænd wˈʌn mˈoːɹ"
    assert tokenizer.encode(text) == HuggingFaceTokenizer.from_str(IPA.json).encode(text).ids


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["model"].update(ignore_merges=True, vocab=content["model"]["vocab"] | {"b a": 8}),
        lambda content: content["model"].update(
            merges=[["a", "b"], ["b", " "]], vocab=content["model"]["vocab"] | {"b ": 8}
        ),
        lambda content: content["model"].update(end_of_word_suffix="b"),
        lambda content: content["added_tokens"][3].update(lstrip=True, rstrip=True),
        lambda content: content["added_tokens"][3].update(content="b a"),
        lambda content: content.update(normalizer={"type": "Strip", "strip_left": True, "strip_right": True}),
        lambda content: content.update(pre_tokenizer={"type": "Whitespace"}),
        lambda content: content.update(
            truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
        ),
    ],
)
def test_what_reaches_over_a_blank_keeps_its_ids(tmp_path, change):
    path = foreign(tmp_path / "tokenizer.json")
    content = json.loads(path.read_text())
    change(content)
    text = json.dumps(content)
    whole = HuggingFaceTokenizer.from_str(text)
    for phonemes in ("ab a ab", " ab ", "a <mask> ab", "b a", "ab"):
        assert IpaTokenizer(path, text).encode(phonemes) == whole.encode(phonemes).ids


def test_an_unknown_symbol_is_unk():
    assert IPA.encode("a☃") == [1, IPA.vocabulary["a"], 0, 2]


def test_an_id_outside_the_vocabulary_is_refused():
    for tokenizer, number in ((IPA, 256), (NAIVE, 229)):
        with pytest.raises(TextError, match=str(number)):
            tokenizer.decode([1, number, 2])


def test_a_foreign_file_is_read_and_its_first_alias_is_decoded(tmp_path):
    tokenizer = IpaTokenizer(foreign(tmp_path / "tokenizer.json"))
    assert tokenizer.encode("ab ä<mask>x") == [1, 7, 4, 5, 3, 0, 2]
    assert tokenizer.decode([1, 7, 4, 5, 2]) == "ab a"
    assert tokenizer.size == 8


def test_special_ids_elsewhere_are_refused(tmp_path):
    path = foreign(tmp_path / "tokenizer.json", bos="<mask>")
    with pytest.raises(TextError, match=rf"{path}.*\[3, 2\].*\[1, 2\]"):
        IpaTokenizer(path)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"model": {"vocab": []}}', b'{"model": {"vocab": {"a": 1}}}']
)
def test_garbage_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(TextError, match=str(path)):
        open_tokenizer(None, str(path))


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(TextError, match=str(tmp_path / "absent.json")):
        open_tokenizer(None, str(tmp_path / "absent.json"))


@pytest.mark.parametrize(
    ("phonemes", "ids"),
    [
        ("a b", [1, 27, 3, 3, 64, 2]),
        ("pˈɜːfɛkt. plˈiːz mˈuːv", [1, 86, 71, 61, 20, 40, 24, 4, 3, 3, 7, 51, 8, 39, 3, 3, 54, 17, 26, 2]),
        ("☃", [1, 0, 2]),
        ("a ˈb", [1, 27, 3, 43, 64, 2]),
    ],
)
def test_the_naive_tokenizer_gives_the_ids_that_early_weights_know(phonemes, ids):
    assert NAIVE.encode(phonemes) == ids


def test_the_naive_tokenizer_decodes_symbols_one_after_the_other():
    assert NAIVE.decode([1, 7, 51, 8, 39, 2]) == "plˈiːz"
    assert (NAIVE.size, len(NAIVE.vocabulary), NAIVE.bos, NAIVE.eos) == (229, 229, 1, 2)


def test_a_kind_that_does_not_exist_and_a_path_for_naive_are_refused():
    for kind, path in (("bert", None), ("naive", "tokenizer.json")):
        with pytest.raises(TextError, match=f"tokenizer={kind}"):
            open_tokenizer(kind, path)


def test_the_identity_is_the_same_in_every_process():
    code = "from vall_e.text import open_tokenizer as o; print(o(None, None).identity, o('naive', None).identity)"
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        printed = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        ).stdout
        assert printed.split() == [IPA.identity, NAIVE.identity]
    assert len(IPA.identity) == 64 and IPA.identity != NAIVE.identity


def test_the_identity_tells_vocabularies_apart_and_ignores_how_the_file_is_written(tmp_path):
    path = foreign(tmp_path / "tokenizer.json")
    identity = IpaTokenizer(path).identity
    path.write_text(json.dumps(json.loads(path.read_text()), indent=3))
    assert IpaTokenizer(path).identity == identity
    assert IpaTokenizer(foreign(path, c=8)).identity != identity


@pytest.mark.parametrize("tokenizer", [IPA, NaiveTokenizer()])
def test_a_tokenizer_travels_to_a_worker_process(tokenizer):
    assert pickle.loads(pickle.dumps(tokenizer)).encode("a b") == tokenizer.encode("a b")
