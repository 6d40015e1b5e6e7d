"""Resolvers give the configuration what lies in files; an app's first line opens them before anything slow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest
from omegaconf import OmegaConf

from vall_e.config.codec import CODEC_FACTS, AudioBackend
from vall_e.config.composing import compose_config
from vall_e.config.facts import dataset_facts, vocabulary_size
from vall_e.config.register import register
from vall_e.config.schema import Config
from vall_e.config.startup import open_job
from vall_e.errors import ConfigError, DataError

CODEC: dict[str, Any] = {
    "name": "builtin",
    "sample_rate": 24_000,
    "frame_rate": 75.0,
    "levels": 8,
    "codebook_size": 1024,
    "digest": "0" * 16,
}


def write_dataset(path: Path, **changed: Any) -> str:
    """An HDF5 file with the attributes of a prepared dataset; a value of None leaves one out."""
    attributes = {
        "format": "vall_e",
        "version": 1,
        "codec": json.dumps(CODEC),
        "frame_rate": 75.0,
        "levels": 8,
        "utterances": 3,
        "hours": 0.25,
        "speakers": json.dumps(["kokoro/am_adam", "kokoro/bf_emma"]),
        "languages": json.dumps(["en-us", "en-gb"]),
    } | changed
    with h5py.File(path, "w") as file:
        file.attrs.update({name: value for name, value in attributes.items() if value is not None})
    return str(path)


def write_tokenizer(path: Path, tokens: int) -> str:
    vocabulary = {f"t{i}": i for i in range(tokens - 1)}
    added = [{"id": tokens - 1, "content": "</s>"}]
    path.write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": added}))
    return str(path)


def resolved(expression: str) -> Any:
    register()
    return OmegaConf.create({"x": expression}).x


def opened(*overrides: str, needs: str) -> Config:
    return open_job(compose_config("train", overrides), needs=[needs])


@pytest.mark.parametrize("backend", list(AudioBackend))
def test_codec_facts_follow_from_the_codecs_name(backend: AudioBackend) -> None:
    facts = CODEC_FACTS[backend]
    assert resolved(f"${{vall_e.codec:sample_rate,{backend.name}}}") == facts.sample_rate
    assert resolved(f"${{vall_e.codec:frame_rate,{backend.name}}}") == facts.frame_rate
    assert resolved(f"${{vall_e.codec:levels,{backend.name}}}") == facts.levels


def test_dataset_facts_come_from_the_hdf5_file(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5")
    assert resolved(f"${{vall_e.dataset:hours,{path}}}") == 0.25
    assert resolved(f"${{vall_e.dataset:speakers,{path}}}") == ["kokoro/am_adam", "kokoro/bf_emma"]
    assert resolved(f"${{vall_e.dataset:languages,{path}}}") == ["en-us", "en-gb"]
    assert resolved(f"${{vall_e.dataset:sample_rate,{path}}}") == 24_000
    assert resolved(f"${{vall_e.dataset:frame_rate,{path}}}") == 75.0
    assert resolved(f"${{vall_e.dataset:levels,{path}}}") == 8


def test_a_dataset_that_changed_is_read_again(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5")
    assert dataset_facts(path).utterances == 3
    write_dataset(tmp_path / "d.h5", utterances=4)
    assert dataset_facts(path).utterances == 4


def test_the_vocabulary_is_counted_from_its_file_with_added_tokens(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "tokenizer.json", tokens=40)
    assert resolved(f"${{vall_e.tokenizer:vocabulary_size,null,{path}}}") == 40


def test_facts_serve_in_a_run_of_typed_settings(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", utterances=300)
    steps = f"trainer.iterations=${{vall_e.dataset:utterances,{path}}}"
    assert opened(steps, f"dataset.hdf5_name={path}", needs="dataset").trainer.iterations == 300


@pytest.mark.parametrize("kind", ["naive", None])
def test_the_vocabulary_size_is_that_of_the_tokenizer_that_encodes(kind: str | None) -> None:
    from vall_e.text import open_tokenizer

    assert vocabulary_size(kind, None) == open_tokenizer(kind, None).size


def test_a_good_dataset_opens_and_is_described_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_dataset(tmp_path / "d.h5")
    with caplog.at_level("INFO"):
        assert isinstance(opened(f"dataset.hdf5_name={path}", needs="dataset"), Config)
    assert "3 utterances, 15.0 minutes, 2 speakers (en-us, en-gb)" in caplog.text


def test_a_missing_dataset_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.h5 is not a file .*python -m vall_e\.prepare"):
        opened(f"dataset.hdf5_name={tmp_path}/none.h5", needs="dataset")


FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "another format": ({"format": "other"}, r"format is 'other', expected 'vall_e'"),
    "no format": ({"format": None}, r"format is None"),
    "a later version": ({"version": 3}, r"version 3, this vall_e reads versions up to 2"),
    "another codec": (
        {"codec": json.dumps(CODEC | {"name": "encodec"})},
        r"codec encodec, .*set audio_backend=encodec",
    ),
    "other levels": ({"codec": json.dumps(CODEC | {"levels": 4})}, r"levels 4, but codec\.levels=8"),
    "no speakers": ({"speakers": None}, r"damaged.*speakers"),
    "an unreadable codec": ({"codec": "{"}, r"damaged"),
    "no utterance": ({"utterances": 0}, r"no utterance"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_dataset_is_refused(case: str, tmp_path: Path) -> None:
    changed, words = FOREIGN[case]
    path = write_dataset(tmp_path / "d.h5", **changed)
    with pytest.raises(DataError, match=words) as caught:
        opened(f"dataset.hdf5_name={path}", needs="dataset")
    assert path in str(caught.value)


def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.h5").write_text("text")
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        opened(f"dataset.hdf5_name={tmp_path}/d.h5", needs="dataset")


def test_the_dataset_is_opened_only_by_apps_that_need_it(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json", tokens=40)
    overrides = (f"dataset.hdf5_name={tmp_path}/none.h5", f"tokenizer_path={tokenizer}")
    assert isinstance(opened(*overrides, needs="tokenizer"), Config)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"model": {"vocab": {}}}', '{"model": {"vocab": ["a"]}}'])
def test_a_foreign_tokenizer_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ConfigError, match=r"tokenizer_path=.*is not a tokenizer\.json"):
        opened(f"tokenizer_path={tmp_path}/tokenizer.json", needs="tokenizer")


def test_a_missing_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer_path=.*none\.json is not a file"):
        opened(f"tokenizer_path={tmp_path}/none.json", needs="tokenizer")


def test_a_vocabulary_larger_than_the_text_embedding_is_refused(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "tokenizer.json", tokens=300)
    with pytest.raises(ConfigError, match=r"model\.text_tokens=256 is too small for the 300 tokens"):
        opened(f"tokenizer_path={path}", needs="tokenizer")
