"""Manifests: what a line may leave out, and how a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vall_e.config.dataset import DatasetConfig
from vall_e.data.manifest import read_manifest
from vall_e.errors import DataError

GOOD = {"path": "s/1.wav", "speaker": "g/s", "text": "Hello.", "lang": "en"}


def test_an_entry_without_a_split_is_for_training(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps(GOOD) + "\n\n")
    (entry,) = read_manifest(tmp_path, DatasetConfig())
    assert (entry.id, entry.split, entry.language, entry.audio) == ("g/s/1", "training", "en", tmp_path / "s/1.wav")


def test_noise_needs_no_text(tmp_path: Path):
    line = {"path": "n/1.wav", "speaker": "g/noise", "lang": "en", "split": "noise"}
    (tmp_path / "meta.jsonl").write_text(json.dumps(line))
    assert read_manifest(tmp_path, DatasetConfig())[0].text == ""


def test_a_line_separator_inside_a_text_does_not_split_the_line(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps({**GOOD, "text": "a\u2028b"}, ensure_ascii=False), encoding="utf-8")
    assert read_manifest(tmp_path, DatasetConfig())[0].text == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("\x00\x01garbage", "not JSON"),
        ("[1, 2]", "an object"),
        (json.dumps({**GOOD, "path": "s/2.wav", "text": " "}), "text=' '"),
        (json.dumps({**GOOD, "path": "s/2.wav", "text": 3}), "text=3"),
        (json.dumps({**GOOD, "path": "s/2.wav", "speaker": "a/b/c"}), "group/speaker"),
        (json.dumps({**GOOD, "path": "s/2.wav", "split": "test"}), "allowed: training, validation, noise"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "text"}), "'text' is missing"),
        (json.dumps(GOOD), "already stands in line 1"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, said: str):
    (tmp_path / "meta.jsonl").write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(DataError) as caught:
        read_manifest(tmp_path, DatasetConfig())
    assert f"{tmp_path / 'meta.jsonl'}, line 2" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [(None, "does not exist"), (b"\n", "no lines"), (b"\xff\xfe{", "UTF-8")])
def test_an_unusable_file_is_named(tmp_path: Path, content: bytes | None, said: str):
    if content is not None:
        (tmp_path / "meta.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_manifest(tmp_path, DatasetConfig())


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
    (entry,) = read_manifest(tmp_path / "mine", DatasetConfig(speaker_languages={"fr": ["libri"]}))
    assert (entry.speaker, entry.language) == (speaker, language)


def test_names_are_read_off_the_path_as_the_settings_say(tmp_path: Path):
    (tmp_path / "meta.jsonl").write_text(json.dumps({"text": "Hello.", "path": "corpus/9_anna/a.wav"}))
    (entry,) = read_manifest(tmp_path, DatasetConfig(speaker_name_getter="own/{-3}_{-2}"))
    assert entry.speaker == "own/corpus_9_anna"
