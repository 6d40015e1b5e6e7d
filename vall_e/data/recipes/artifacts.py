"""Code files of the reference system: `GROUP/SPEAKER/ID.enc` of EnCodec, `.dac` of DAC. They are taken as they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vall_e.errors import DataError

from .artifact_pickle import load_artifact
from .audio_source import Codes, OwnFile
from .corpus import Corpus
from .lines import read_short
from .row import Elsewhere, Found, Rejected, Row

CODECS = {".enc": "encodec", ".dac": "dac"}


@dataclass(frozen=True, slots=True)
class Artifact(OwnFile):
    """The codes in a file."""

    def codes(self) -> Codes:
        """int16 [T, Q]."""
        return level_codes(load_artifact(self.file).get("codes"), self.name)


def level_codes(value: Any, name: str) -> Codes:
    """int16 [T, Q] of the reference's [1, Q, T]; DataError if that is not what `value` is."""
    if not isinstance(value, np.ndarray) or value.ndim != 3 or len(value) != 1 or value.dtype.kind not in "iu":
        raise DataError(f"{name}: codes of shape [1, levels, frames] are wanted")
    if value.size and not 0 <= int(value.min()) <= int(value.max()) < 2**15:
        raise DataError(f"{name}: holds codes out of range")
    return np.ascontiguousarray(value[0].T).astype(np.int16)


def fits(corpus: Corpus) -> bool:
    """Whether there are code files."""
    return bool(corpus.with_suffix(*CODECS))


def codec(corpus: Corpus) -> str:
    """The codec that all of them are of; DataError if there are several."""
    found = sorted({CODECS[path.suffix.lower()] for path in corpus.with_suffix(*CODECS)})
    if len(found) != 1:
        raise DataError(f"{corpus.root} holds codes of {' and '.join(found) or 'no codec'}: import one at a time")
    return found[0]


def rows(corpus: Corpus) -> Found:
    """A row for every code file; one without text is noise. `ID.json` beside it may hold its phonemes."""
    for path in corpus.with_suffix(*CODECS):
        yield _row(corpus, path) if corpus.share.takes(path) else Elsewhere(str(path))


def _row(corpus: Corpus, path: PurePosixPath) -> Row | Rejected:
    try:
        told = metadata(load_artifact(corpus.root / path), corpus.root / path)
    except DataError as error:
        return Rejected(str(path), str(error), path=str(path))
    return spoken_row(str(path), str(path), Artifact(corpus.root / path), told)


def metadata(loaded: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a code file that is loaded tells beside its codes, and the JSON file beside it tells; DataError."""
    told, beside = loaded.get("metadata", {}), path.with_suffix(".json")
    try:
        if not isinstance(told, dict):
            raise ValueError("its metadata is no dictionary")
        return {**told, **json.loads(read_short(beside))} if beside.is_file() else told
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: what it tells cannot be used ({error})") from error


def spoken_row(where: str, path: str, sound: Any, told: dict[str, Any]) -> Row:
    """A row of what the reference keeps beside codes: text, phonemes (a text or its symbols) and language."""
    text, phonemes, language = (told.get(name) for name in ("text", "phonemes", "language"))
    if isinstance(phonemes, list):
        phonemes = "".join(map(str, phonemes))
    spoken = bool(text or phonemes)
    return Row(
        where=where,
        path=path,
        sound=sound,
        text=str(text or phonemes) if spoken else None,
        phonemes=str(phonemes) if phonemes else None,
        language=str(language) if language else None,
        split=None if spoken else "noise",
    )
