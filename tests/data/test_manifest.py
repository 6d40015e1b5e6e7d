"""Manifests: what a line may leave out, and how a bad line is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.audio_source import AudioFile
from vall_e.data.recipes.corpus_entries import Manifest, ManifestEntry, read_corpus
from vall_e.errors import DataError


def read(source: Path, cfg: DatasetConfig | None = None, **settings: object) -> Manifest:
    return read_corpus(source, cfg or DatasetConfig(), PreparationConfig(recipe="manifest", **settings))


def only(source: Path, cfg: DatasetConfig | None = None) -> ManifestEntry:
    (entry,) = read(source, cfg).entries
    return entry


GOOD = {"path": "s/1.wav", "speaker": "g/s", "text": "Hello.", "lang": "en"}


def test_an_entry_without_a_split_is_for_training(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps(GOOD) + "\n\n")
    entry = only(tmp_path, DatasetConfig())
    assert (entry.id, entry.split, entry.language, entry.audio) == (
        "g/s/1",
        "training",
        "en",
        AudioFile(tmp_path / "s/1.wav"),
    )


def test_noise_needs_no_text(tmp_path: Path):
    line = {"path": "n/1.wav", "speaker": "g/noise", "lang": "en", "split": "noise"}
    (tmp_path / "meta.jsonl").write_text(json.dumps(line))
    assert only(tmp_path).text == ""


def test_a_line_separator_inside_a_text_does_not_split_the_line(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps({**GOOD, "text": "a\u2028b"}, ensure_ascii=False), encoding="utf-8")
    assert only(tmp_path).text == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("\x00\x01garbage", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "an object"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "path"}), "'path' is missing"),
        (json.dumps({**GOOD, "path": "s/2.wav", "text": "a\x00b"}), "control character"),
        (json.dumps({**GOOD, "path": "s/2.wav", "text": "a" * 10_000}), "10000 characters is too long"),
        (json.dumps({**GOOD, "path": "s/2.wav", "speaker": "a/b/c"}), "group/speaker"),
        (json.dumps({**GOOD, "path": "s/2.wav", "speaker": "../b"}), "group/speaker"),
        (json.dumps({**GOOD, "path": "s/2.wav", "split": "test"}), "allowed: training, validation, noise"),
        (json.dumps({**GOOD, "path": "s/2.wav", "lang": "klingon"}), "language 'klingon' is not known"),
        (json.dumps({**GOOD, "path": "../2.wav"}), "leads out of the folder"),
        (json.dumps({**GOOD, "path": "s/../../2.wav"}), "leads out of the folder"),
        (json.dumps({**GOOD, "path": "/etc/passwd"}), "leads out of the folder"),
        (json.dumps({**GOOD, "path": "s/2.wav\x00.wav"}), "control characters"),
        (json.dumps({**GOOD, "path": "s" * 5000}), "too long"),
        (json.dumps({**GOOD, "path": "  "}), "is empty"),
        (json.dumps({**GOOD, "path": "."}), "names the folder of the corpus"),
        (json.dumps({**GOOD, "path": "./"}), "names the folder of the corpus"),
        (json.dumps({**GOOD, "path": "a/.."}), "names the folder of the corpus"),
        (json.dumps({**GOOD, "path": "\ud800.wav"}), "is not UTF-8"),
        (json.dumps({**GOOD, "path": "s/2.wav", "phonemes": "\udcff"}), "holds the control character"),
        (json.dumps({**GOOD, "path": "s/2.wav", "phonemes": "a" * 10_000}), "10000 characters is too long"),
        (json.dumps(GOOD), "already stands in line 1"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number_and_the_others_arrive(tmp_path: Path, line: str, said: str):
    last = json.dumps({**GOOD, "path": "s/9.wav"})
    (tmp_path / "meta.jsonl").write_text(f"{json.dumps(GOOD)}\n{line}\n{last}\n")
    found = read(tmp_path)
    assert [entry.id for entry in found.entries] == ["g/s/1", "g/s/9"]
    (rejected,) = found.rejected
    assert rejected.id == "meta.jsonl, line 2"
    assert said in rejected.reason


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_bytes(b"\xff\xfe{\n" + json.dumps(GOOD).encode())
    found = read(tmp_path)
    assert [entry.id for entry in found.entries] == ["g/s/1"]
    assert [(one.id, one.reason) for one in found.rejected] == [("meta.jsonl, line 1", "is not UTF-8 text (byte 0)")]


def test_a_missing_manifest_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path)


def test_files_of_one_name_in_two_folders_are_two_utterances(tmp_path: Path):
    lines = [{**GOOD, "path": path} for path in ("a/1.wav", "b/1.wav", "b/1.wav")]
    (tmp_path / "meta.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read(tmp_path)
    assert [entry.id for entry in found.entries] == ["g/s/1", "g/s/b_1.wav"]
    assert [one.id for one in found.rejected] == ["meta.jsonl, line 3"]


@pytest.mark.parametrize(
    ("line", "settings", "language"),
    [
        ({"path": "x/de/1.wav"}, {}, "de"),
        ({"path": "es_MX_f_Allison/1.wav"}, {}, "es"),
        ({"path": "de/1.wav"}, {"language": "fr"}, "fr"),
        ({"path": "de/1.wav", "lang": "it"}, {"language": "fr"}, "it"),
        ({"path": "de_luxe/1.wav"}, {}, "en"),
        ({"path": "a/1.wav", "lang": "de-AT"}, {}, "de-AT"[:2]),
    ],
)
def test_a_language_follows_from_settings_or_the_name_of_a_folder(
    tmp_path: Path, line: dict[str, str], settings: dict[str, str], language: str
):
    (tmp_path / "meta.jsonl").write_text(json.dumps({"text": "Hello.", **line}))
    (entry,) = read(tmp_path, **settings).entries
    assert entry.language == language


@pytest.mark.parametrize(
    ("line", "speaker", "language"),
    [
        ({"path": "libri/1034/a.wav"}, "libri/1034", "fr"),
        ({"path": "libri/1034/a.wav", "speaker": "x/y", "lang": "de"}, "x/y", "de"),
        ({"path": "a.wav", "speaker": "me"}, "mine/me", "en"),
        ({"path": "a.wav"}, "mine/mine", "en"),
    ],
    ids=["from the folders", "as told", "group from the source", "all from the source"],
)
def test_speaker_and_language_follow_from_the_path_where_a_line_has_none(
    tmp_path: Path, line: dict[str, str], speaker: str, language: str
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/meta.jsonl").write_text(json.dumps({"text": "Hello.", **line}))
    entry = only(tmp_path / "mine", DatasetConfig(speaker_languages={"fr": ["libri"]}))
    assert (entry.speaker, entry.language) == (speaker, language)


def test_a_language_of_the_settings_that_is_not_known_ends_the_run(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps(GOOD))
    with pytest.raises(DataError, match="language 'xx' is not known, allowed: en"):
        read(tmp_path, language="xx")
    with pytest.raises(DataError, match="language 'yy' is not known"):
        read(tmp_path, DatasetConfig(speaker_languages={"yy": ["g"]}))


def test_names_are_read_off_the_path_as_the_settings_say(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps({"text": "Hello.", "path": "corpus/9_anna/a.wav"}))
    entry = only(tmp_path, DatasetConfig(speaker_name_getter="own/{-3}_{-2}"))
    assert entry.speaker == "own/corpus_9_anna"


def test_a_file_whose_name_is_not_utf8_is_named_by_its_bytes(tmp_path: Path):
    (tmp_path / "s").mkdir()
    for name in (b"good.wav", b"caf\xe9.wav"):
        Path(os.fsdecode(os.fsencode(tmp_path / "s") + b"/" + name)).touch()
    found = read_corpus(tmp_path, DatasetConfig(), PreparationConfig(recipe="folder"))
    assert [Path(entry.id).name for entry in found.entries] == ["good"]
    assert [(one.id, one.reason) for one in found.rejected] == [
        ("s/caf\\udce9.wav", "path='s/caf\\udce9.wav' is not UTF-8")
    ]
    assert found.unlisted == []


def test_a_path_with_a_dot_is_that_of_the_file(tmp_path: Path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s/1.wav").touch()
    (tmp_path / "meta.jsonl").write_text(json.dumps({**GOOD, "path": "./s/1.wav"}))
    found = read(tmp_path)
    assert len(found.entries) == 1 and found.unlisted == []
