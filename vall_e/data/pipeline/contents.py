"""Step 0: what recordings hold, as numbers by which a changed one is told."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from vall_e.data.recipes.audio_source import AudioSource, CodesSource
from vall_e.data.recipes.corpus_entries import ManifestEntry

from .journal import Journal, key_of
from .progress import progress
from .read_ahead import read_ahead

BLOCK_BYTES = 2**20


class Contents:
    """The SHA-256 of files. A journal keeps it by path, size and time of change: a file is read again only if one of
    these is another, and what was merely copied or touched is not prepared again."""

    def __init__(self, journal: Journal, workers: int) -> None:
        self.journal, self._workers = journal, workers

    def of(self, source: AudioSource | CodesSource) -> str:
        """Equal for recordings that hold the same; another one as long as a file has not been looked at."""
        if source.file is None:
            return f"{source.size()}"
        key = _key(source.file)
        return str(self.journal[key]) if key in self.journal else f"{key}, {source.size()}"

    def run(self, entries: Sequence[ManifestEntry]) -> None:
        """Look at the files that have not been looked at in the state that they are in."""
        files = dict.fromkeys(entry.audio.file for entry in entries if entry.audio.file is not None)
        states = [(file, key) for file in files if (key := _key(file)) and key not in self.journal]
        found = read_ahead(states, lambda state: _digest(state[0]), self._workers)
        for (_, key), digest in progress("Looking", found, len(states), len(files)):
            if digest is not None:
                self.journal.add(key, digest)
        self.journal.close()


def _key(file: Path) -> str:
    """The state of a file; "" if it cannot be reached, or is no file: a pipe would never end."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return ""
    if not stat.S_ISREG(found.st_mode):
        return ""
    return key_of("content", str(file.absolute()), found.st_size, found.st_mtime_ns)


def _digest(file: Path) -> str | None:
    found = hashlib.sha256()
    try:
        with file.open("rb") as content:
            while block := content.read(BLOCK_BYTES):
                found.update(block)
    except OSError:
        return None
    return found.hexdigest()[:24]
