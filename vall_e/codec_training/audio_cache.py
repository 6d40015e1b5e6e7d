"""Decoded audio in one long file, which is mapped into memory: a corpus may be larger than that, and is read once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from vall_e.atomic import replace_text, replacing
from vall_e.audio.read import read_audio
from vall_e.data.pipeline.read_ahead import read_ahead
from vall_e.errors import AudioError

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8
"""Recordings that are decoded; an hour of one takes 350 MB meanwhile."""

Samples = npt.NDArray[np.int16]
Lengths = npt.NDArray[np.int64]


def cached_audio(paths: Sequence[Path], cache: Path, sample_rate: int) -> tuple[Samples, Lengths]:
    """All recordings end to end, int16 [N], and the length of each; 0 for one that cannot be read, which is told.

    They are decoded if `cache` does not hold them as they are on the disk now. AudioError if none can be read.
    """
    key = _fingerprint(paths, sample_rate)
    audio, index = cache / f"{key}.i16", cache / f"{key}.json"
    if not (index.is_file() and audio.is_file()):
        _write(paths, audio, index, sample_rate)
    lengths = np.array(json.loads(index.read_text(encoding="utf-8")), np.int64)
    if not lengths.sum():
        index.unlink()
        raise AudioError(f"none of {len(paths)} recordings can be read, the first is {paths[0]}")
    return np.memmap(audio, np.int16, mode="r"), lengths


def _fingerprint(paths: Sequence[Path], sample_rate: int) -> str:
    digest = hashlib.sha256(str(sample_rate).encode())
    for path in paths:
        found = path.stat()
        digest.update(f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _write(paths: Sequence[Path], audio: Path, index: Path, sample_rate: int) -> None:
    lengths = []
    with replacing(audio) as unfinished, unfinished.open("wb") as file:
        decoded = read_ahead(paths, partial(_read, sample_rate=sample_rate), min(MOST_AT_ONCE, os.cpu_count() or 1))
        for _, samples in tqdm(decoded, desc="read audio", total=len(paths), unit="file", mininterval=1):
            lengths.append(len(samples))
            file.write(samples.tobytes())
    replace_text(index, json.dumps(lengths))


def _read(path: Path, sample_rate: int) -> Samples:
    try:
        wave = read_audio(path, sample_rate)
    except AudioError as error:
        log.warning("Left out: %s", error)
        return np.zeros(0, np.int16)
    samples: Samples = (wave * 32768).round().clip(-32768, 32767).astype(np.int16)
    return samples
