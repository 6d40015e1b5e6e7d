"""The folder `NAME.work` beside a dataset: what the steps have finished, until the dataset holds it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vall_e.errors import DataError

from .journal import Journal

PASSING = ("phonemise", "encode", "features", "parts", "pack")
"""Steps whose results are in the dataset at the end. Transcripts and silences stay: a later run would miss them."""


class Workshop:
    """Journals and files of the job `shard` of `shards`. Jobs write to files of their own and read those of all."""

    def __init__(self, store: Path, shard: int, shards: int) -> None:
        self.store = store
        self.folder = store.with_name(f"{store.name}.work")
        self.writer = f"{shard:05d}-of-{shards:05d}"

    def journal(self, step: str) -> Journal:
        """The results of a step."""
        return Journal(self.folder / step, self.writer)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from doing the same job at once; DataError if one does."""
        with self._lock(self.writer) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DataError(
                    f"{self.store} is being prepared by another process, as its job {self.writer}"
                ) from error
            yield

    @contextmanager
    def joining(self) -> Iterator[None]:
        """Keep other jobs from joining at the same time; waits for one that does."""
        with self._lock("join") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _lock(self, name: str) -> IO[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        return (self.folder / f"{name}.lock").open("a")

    def clear(self) -> None:
        """Remove what the dataset holds now."""
        for name in PASSING:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for lock in self.folder.glob("*.lock"):
            lock.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
