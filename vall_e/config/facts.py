"""Facts that lie in files: the tokenizer's vocabulary, and what a dataset says of itself.

Files are read once and again only when they change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from vall_e.errors import ConfigError, DataError

from .hub import weights_path
from .pretrained import read_config
from .weights_format import is_pickled

PACKAGE = Path(__file__).resolve().parents[1]
IPA_TOKENIZER = PACKAGE / "text" / "ipa.json"
SAMPLE_SPEECH = PACKAGE / "sample"
NAIVE_VOCABULARY_SIZE = 229
LONGEST_HEADER = 100_000_000
"""Bytes of the header of a safetensors file at most, as the format has it."""
DATASET_FORMAT = "vall_e"
DATASET_VERSIONS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a prepared dataset says of itself."""

    codec: str
    sample_rate: int
    frame_rate: float
    levels: int
    codebook_size: int
    utterances: int
    hours: float
    speakers: tuple[str, ...]
    languages: tuple[str, ...]


def vocabulary_size(kind: str | None, path: str | None) -> int:
    """Highest token id + 1 of the tokenizer that `tokenizer` and `tokenizer_path` name."""
    if kind == "naive":
        return NAIVE_VOCABULARY_SIZE
    file = Path(path) if path else IPA_TOKENIZER
    if (changed := _changed(file)) is None:
        raise ConfigError(f"tokenizer_path={file} is not a file; null takes the tokenizer that ships with vall_e")
    return _vocabulary_size(file, changed)


def weights_settings(path: str) -> dict[str, Any]:
    """The model settings that weights carry, {} if they carry none; ConfigError if it is no such file or folder.

    Of safetensors the header is read: eight bytes of its length, then JSON.
    """
    file = weights_path(path)
    if file.is_dir():
        return read_config(file).model
    if not file.is_file():
        raise ConfigError(f"weights={path} is not a file")
    if is_pickled(file):
        return _pickled_settings(file)
    try:
        with file.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            header = json.loads(content.read(min(length, LONGEST_HEADER)))
        settings = json.loads(header.get("__metadata__", {}).get("config", "{}"))
        return settings if isinstance(settings, dict) else {}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"weights={path} is not a safetensors file") from error


def _pickled_settings(path: Path) -> dict[str, Any]:
    import torch  # these alone need it, and composing must not wait for it

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # torch has a dozen classes of errors for a file that it cannot read
        raise ConfigError(f"weights={path} is not a file of torch.save") from error
    settings = content.get("config", {}) if isinstance(content, dict) else {}
    return settings if isinstance(settings, dict) else {}


def dataset_facts(path: str) -> DatasetFacts:
    """The attributes of a prepared dataset; DataError if the file is missing or foreign."""
    file = Path(path)
    if (changed := _changed(file)) is None:
        advice = "`python -m vall_e.prepare` with the same settings makes it"
        raise DataError(f"dataset.hdf5_name={path} is not a file (looked for {file.absolute()}); {advice}")
    return _dataset_facts(file, changed)


def _changed(path: Path) -> int | None:
    """When the file was last changed, in ns; None if there is none."""
    return path.stat().st_mtime_ns if path.is_file() else None


@lru_cache(maxsize=32)
def _vocabulary_size(path: Path, changed: int) -> int:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        ids = [*content["model"]["vocab"].values(), *(token["id"] for token in content.get("added_tokens", []))]
        return int(max(ids)) + 1
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"tokenizer_path={path} is not a tokenizer.json with a vocabulary (model.vocab)") from error


@lru_cache(maxsize=32)
def _dataset_facts(path: Path, changed: int) -> DatasetFacts:
    import h5py  # composing a configuration that asks for no dataset fact must not wait for it

    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
    except OSError as error:
        raise DataError(f"dataset.hdf5_name={path} is not a readable HDF5 file: {error}") from error
    return _facts(path, attributes)


def _facts(path: Path, attributes: dict[str, Any]) -> DatasetFacts:
    here = f"dataset.hdf5_name={path}"
    if (found := attributes.get("format")) != DATASET_FORMAT:
        raise DataError(f"{here} is no dataset of vall_e: its format is {found!r}, expected {DATASET_FORMAT!r}")
    if (version := attributes.get("version")) not in DATASET_VERSIONS:
        raise DataError(f"{here} has format version {version}, this vall_e reads versions up to {DATASET_VERSIONS[-1]}")
    try:
        codec = json.loads(attributes["codec"])
        return DatasetFacts(
            codec=codec["name"],
            sample_rate=int(codec["sample_rate"]),
            frame_rate=float(codec["frame_rate"]),
            levels=int(codec["levels"]),
            codebook_size=int(codec["codebook_size"]),
            utterances=int(attributes["utterances"]),
            hours=float(attributes["hours"]),
            speakers=tuple(json.loads(attributes["speakers"])),
            languages=tuple(json.loads(attributes["languages"])),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{here} is damaged: an attribute is missing or unreadable ({error})") from error
