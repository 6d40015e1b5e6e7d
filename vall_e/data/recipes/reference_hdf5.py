"""The reference system's HDF5 file: a group `/TYPE/GROUP/SPEAKER/ID` an utterance. Its codes are taken as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vall_e.errors import DataError

from .artifacts import spoken_row
from .audio_source import Codes
from .corpus import Corpus
from .row import Found, Rejected, Row

SUFFIXES = (".h5", ".hdf5")
H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
TYPES = ("training", "validation", "noise")


@dataclass(frozen=True)
class CodesInHdf5:
    """The dataset `audio` of the group `key`, int16 [T, Q]; `values` says how many numbers it holds."""

    path: Path
    key: str
    values: int
    file: None = None
    """That file may hold anything besides."""

    @property
    def name(self) -> str:
        """File and group."""
        return f"{self.path}{self.key}"

    def size(self) -> int:
        """Bytes of the codes."""
        return 2 * self.values

    def codes(self) -> Codes:
        """int16 [T, Q]."""
        try:
            with h5py.File(self.path, "r", locking=False) as file:
                codes: Codes = np.asarray(file[self.key]["audio"][()])
        except H5_ERRORS as error:
            raise DataError(f"{self.name}: cannot be read ({error})") from error
        if codes.ndim != 2 or codes.dtype.kind not in "iu":
            raise DataError(f"{self.name}: codes of shape [frames, levels] are wanted")
        return codes.astype(np.int16)


def fits(corpus: Corpus) -> bool:
    """Whether an HDF5 file has the groups that the reference makes."""
    return any(_is_one(corpus.root / path) for path in corpus.with_suffix(*SUFFIXES))


def rows(corpus: Corpus) -> Found:
    """A row for every utterance of every such file."""
    for path in corpus.with_suffix(*SUFFIXES):
        try:
            with h5py.File(corpus.root / path, "r", locking=False) as file:
                yield from _rows(file, corpus.root / path)
        except H5_ERRORS as error:
            yield Rejected(str(path), f"cannot be read ({error})")


def _rows(file: h5py.File, path: Path) -> Found:
    for kind in TYPES:
        for key, group in _utterances(file, f"/{kind}", 3):
            where = f"{path.name}{key}"
            if group is None:
                yield Rejected(where, "is a link to elsewhere, or no group")
                continue
            try:
                row = _row(group, where, path, key)
            except H5_ERRORS as error:
                row = Rejected(where, f"cannot be read ({error})")
            yield row if isinstance(row, Rejected) else replace(row, split=kind)


def _row(group: Any, where: str, path: Path, key: str) -> Row | Rejected:
    audio = group["audio"]
    # Either would have bytes of other files read as codes.
    if audio.external or audio.is_virtual:
        return Rejected(where, "its codes lie in another file")
    told = {name: str(group.attrs[name]) for name in ("text", "phonemes", "language") if name in group.attrs}
    row = spoken_row(where, key.strip("/"), CodesInHdf5(path, key, int(audio.size)), told)
    speaker = "/".join(key.split("/")[2:4])
    return replace(row, speaker=speaker)


def _utterances(file: h5py.File, key: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Groups `depth` levels below `key`; None for a link to elsewhere, which is not followed."""
    if key.count("/") == 1 and key not in file:
        return
    is_own = isinstance(file.get(key, getlink=True), h5py.HardLink)
    group = file[key] if is_own else None
    if not isinstance(group, h5py.Group):
        yield key, None
        return
    if depth == 0:
        yield key, group
        return
    for name in group:
        yield from _utterances(file, f"{key}/{name}", depth - 1)


def _is_one(path: Path) -> bool:
    try:
        with h5py.File(path, "r", locking=False) as file:
            return "format" not in file.attrs and any(kind in file for kind in TYPES)
    except H5_ERRORS:
        return False
