"""The manifest `meta.jsonl`: one line an utterance, beside the audio it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from vall_e.config.dataset import DatasetConfig
from vall_e.config.path_name import path_name
from vall_e.errors import DataError

from .utterance import SPLITS

MANIFEST_NAME = "meta.jsonl"
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, kw_only=True)
class ManifestEntry:
    """One line of a manifest. `audio` is the file's path; `id` is the speaker and the file's stem."""

    id: str
    audio: Path
    speaker: str
    text: str
    language: str
    split: str


def read_manifest(source: Path, cfg: DatasetConfig) -> list[ManifestEntry]:
    """All entries of `source/meta.jsonl` in file order; a line that cannot be used is a DataError naming it.

    A line without a speaker, a speaker without a group, and a line without a language get theirs as `cfg` says.
    """
    path = source / MANIFEST_NAME
    seen: dict[str, int] = {}
    entries = []
    for number, line in _lines(path):
        entry = _entry(source, line, f"{path}, line {number}", cfg)
        if entry.id in seen:
            raise DataError(f"{path}, line {number}: utterance {entry.id!r} already stands in line {seen[entry.id]}")
        seen[entry.id] = number
        entries.append(entry)
    if not entries:
        raise DataError(f"{path} has no lines")
    return entries


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist: dataset.source must be a folder with a {MANIFEST_NAME}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start})") from error
    # Not splitlines(): JSON strings may hold U+2028 and the like, which do not end a line of JSON.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _entry(source: Path, line: str, where: str, cfg: DatasetConfig) -> ManifestEntry:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise DataError(f"{where}: an object with path, speaker, text and lang is wanted, not {line.strip()[:40]!r}")
    split = _word(fields, "split", where, default="training")
    if split not in SPLITS:
        raise DataError(f"{where}: split={split!r} is not allowed, allowed: {', '.join(SPLITS)}")
    path = _word(fields, "path", where)
    place = PurePath(source.absolute().name) / path
    speaker = _word(fields, "speaker", where, default=path_name(cfg.speaker_name_getter, place))
    if "/" not in speaker:
        speaker = f"{path_name(cfg.speaker_group_getter, place)}/{speaker}"
    if speaker.count("/") != 1 or not all(speaker.split("/")):
        raise DataError(f"{where}: speaker={speaker!r} must be group/speaker or a name without a slash")
    return ManifestEntry(
        id=f"{speaker}/{Path(path).stem}",
        audio=source / path,
        speaker=speaker,
        text=_word(fields, "text", where, default="" if split == "noise" else None),
        language=_word(fields, "lang", where, default=_language(speaker, cfg)),
        split=split,
    )


def _language(speaker: str, cfg: DatasetConfig) -> str:
    group = speaker.partition("/")[0]
    return next((lang for lang, groups in cfg.speaker_languages.items() if group in groups), DEFAULT_LANGUAGE)


def _word(fields: dict[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if value is None:
        raise DataError(f"{where}: {name!r} is missing")
    if not isinstance(value, str) or (not value.strip() and value != default):
        raise DataError(f"{where}: {name}={value!r} must be a text that is not empty")
    return value
