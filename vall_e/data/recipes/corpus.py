"""The files of a corpus."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from vall_e.audio.media import MEDIA_SUFFIXES
from vall_e.errors import DataError

from .share import EVERYTHING, Share

log = logging.getLogger(__name__)

AUDIO_SUFFIXES = MEDIA_SUFFIXES | {
    f".{name}" for name in ("wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "au", "caf", "w64")
}


class Corpus:
    """A folder, or a single file, and the files in it. Paths are relative to `root`, with slashes, in order of name.

    Recipes need not read what belongs to recordings out of `share`.
    """

    share: Share = EVERYTHING

    def __init__(self, source: Path) -> None:
        if not source.exists():
            raise DataError(f"dataset.source={source}: no such folder")
        self.root = source if source.is_dir() else source.parent
        self._only = None if source.is_dir() else source.name

    def digest(self) -> str:
        """Equal for corpora of the same files, by their names."""
        return hashlib.sha256("\0".join(map(str, self.files)).encode("utf-8", "surrogateescape")).hexdigest()[:24]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.root.absolute().name or "corpus"

    @cached_property
    def files(self) -> list[PurePosixPath]:
        """All files, those of hidden folders left out."""
        if self._only is not None:
            return [PurePosixPath(self._only)]
        return [PurePosixPath(path) for path in sorted(_walk(self.root))]

    @cached_property
    def audio(self) -> list[PurePosixPath]:
        """The files that are named like audio."""
        return [path for path in self.files if path.suffix.lower() in AUDIO_SUFFIXES]

    def with_suffix(self, *suffixes: str) -> list[PurePosixPath]:
        """The files whose names end so, in any case."""
        return [path for path in self.files if path.name.lower().endswith(suffixes)]

    def named(self, name: str) -> list[PurePosixPath]:
        """The files of this name, in any folder."""
        return [path for path in self.files if path.name == name]

    def __contains__(self, path: str) -> bool:
        return path in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(map(str, self.files))


def _walk(root: Path) -> Iterator[str]:
    """Relative paths of the files below `root`; links to folders are followed, but no folder is entered twice."""
    waiting, entered = [(root, "")], set()
    while waiting:
        folder, inside = waiting.pop()
        here = folder.stat()
        if (here.st_dev, here.st_ino) in entered:
            continue
        entered.add((here.st_dev, here.st_ino))
        for entry in _entries(folder):
            kind = _kind(entry)
            if kind == "folder":
                waiting.append((Path(entry.path), f"{inside}{entry.name}/"))
            elif kind == "file":
                yield f"{inside}{entry.name}"


def _kind(entry: os.DirEntry[str]) -> str:
    """folder, file, or other for what blocks or never ends when it is read."""
    try:
        if entry.is_dir() or entry.is_file():
            return "folder" if entry.is_dir() else "file"
        entry.stat()
    except OSError:
        return "file"  # a link to nowhere: who reads it names it
    return "other"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        log.warning("%s is left out: it cannot be read (%s)", folder, error.strerror)
        return []


def refusal(path: str) -> str | None:
    """Why a path that a corpus names cannot be used, or None: it must lead to a file below the corpus."""
    if not path.strip():
        return "the path of the audio is empty"
    if any("\ud800" <= character <= "\udfff" for character in path):
        return f"path={path[:80]!r} is not UTF-8"
    if any(ord(character) < 32 for character in path):
        return f"path={path[:80]!r} holds control characters"
    if len(path.encode("utf-8")) > 4096:
        return f"a path of {len(path)} characters is too long"
    inside = Path(os.path.normpath(path)).parts
    if not inside:
        return f"path={path!r} names the folder of the corpus, not a file in it"
    if Path(path).is_absolute() or inside[0] == "..":
        return f"path={path!r} leads out of the folder of the corpus"
    return None
