"""The folder `NAME.work` beside a dataset: what the steps have finished, until the dataset holds it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from vall_e.errors import DataError

from .journal import Journal

PASSING = ("phonemise", "encode", "parts", "pack")
"""Steps whose results are in the dataset at the end. What stays would be missed by a later run: the contents of files,
transcripts, silences, vectors of sound. What one of several jobs has judged stays for those that are run again."""


class Workshop:
    """Journals and files of the job `shard` of `shards`. Jobs write to files of their own and read those of all."""

    def __init__(self, store: Path, shard: int, shards: int) -> None:
        self.store = store
        self.folder = store.with_name(f"{store.name}.work")
        self.shard, self.shards = shard, shards
        self.writer = self.name(shard)
        self._work: IO[str] | None = None

    def name(self, shard: int) -> str:
        """What the files of the job of that number are called by."""
        return f"{shard:05d}-of-{self.shards:05d}"

    def journal(self, step: str) -> Journal:
        """The results of a step."""
        return Journal(self.folder / step, self.writer)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from doing the same job at once, and from clearing away what it makes; DataError if one
        does this job."""
        with self._locked("work", fcntl.LOCK_SH) as work:
            self._work = work
            try:
                with self._locked(self.writer, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    yield
            finally:
                self._work = None

    @contextmanager
    def joining(self) -> Iterator[None]:
        """Keep other jobs from joining at the same time; waits for one that does. This job is at its end then."""
        with self._locked("join", fcntl.LOCK_EX):
            try:
                yield
            finally:
                # Before the next one joins, or it would take this job for one that is at work.
                if self._work is not None:
                    fcntl.flock(self._work, fcntl.LOCK_UN)

    def alone(self) -> bool:
        """Whether no other job is at work, and none begins until this one has ended."""
        return self._work is not None and _alone(self._work)

    def clear(self) -> None:
        """Remove what the dataset holds now, unless another job is at work: the last of them does so."""
        if not self.alone():
            return
        for name in (*PASSING, *(["judged"] if self.shards == 1 else [])):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for lock in self.folder.glob("*.lock"):
            lock.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[IO[str]]:
        path = self.folder / f"{name}.lock"
        while True:
            with self._opened(path) as file:
                self._lock(file, how)
                if _is_at(path, file):
                    yield file
                    return

    def _opened(self, path: Path) -> IO[str]:
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                return path.open("a+")

    def _lock(self, file: IO[str], how: int) -> None:
        try:
            fcntl.flock(file, how)
        except BlockingIOError as error:
            raise DataError(f"{self.store} is being prepared by another process, as its job {self.writer}") from error
        except OSError as error:
            raise DataError(f"{self.folder} lies where files cannot be locked ({error.strerror})") from error


def _is_at(path: Path, file: IO[str]) -> bool:
    """Whether a file is still there: a job that cleared the folder has removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _alone(work: IO[str]) -> bool:
    try:
        fcntl.flock(work, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
