"""A code file of the reference system as a model of what to say: its phonemes, its voice and its length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.data.recipes.artifact_pickle import load_artifact
from vall_e.data.recipes.artifacts import CODECS, level_codes, metadata, spoken_row
from vall_e.errors import DataError

from .voice import is_code_of


@dataclass(frozen=True)
class CodeFile:
    """Codes int16 [T, Q] of speech, and its text or phonemes, of which one may be None."""

    codes: Tensor
    text: str | None
    phonemes: str | None


def read_code_file(path: Path, codec: CodecIdentity) -> CodeFile:
    """The speech in a code file; DataError if it is none, is of another codec, or holds noise."""
    own = CODECS.get(path.suffix.lower())
    if own is None:
        raise DataError(f"{path} is no code file, allowed: a file that ends in {' or '.join(CODECS)}")
    loaded = load_artifact(path)
    if own != codec.name:
        raise DataError(f"{path} holds codes of {own}, but the weights speak those of {codec.name}")
    codes = torch.from_numpy(level_codes(loaded.get("codes"), str(path)))
    if not is_code_of(codec, codes):
        raise DataError(f"{path}: its codes are none of {codec.levels} levels of {codec.codebook_size}")
    row = spoken_row(str(path), str(path), None, metadata(loaded, path))
    if row.text is None:
        raise DataError(f"{path} holds noise: neither a text nor phonemes")
    return CodeFile(codes, row.text, row.phonemes)
