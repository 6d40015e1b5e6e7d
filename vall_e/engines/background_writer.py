"""Writes files while training goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from vall_e.errors import CheckpointError

log = logging.getLogger(__name__)


class BackgroundWriter:
    """Runs one job after another in a thread of its own.

    A job that fails is told of at once, in the log, and training goes on: the disk may have room again at the next
    save. `finish` raises what failed last.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "writer")
        self._pending: Future[None] | None = None
        self._failed: CheckpointError | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` in the background, after the one before has ended, which is waited for."""
        self.wait()
        self._pending = self._pool.submit(self._run, job)

    def wait(self) -> None:
        """Return when nothing is being written."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def finish(self) -> None:
        """Wait; CheckpointError if the last job failed."""
        self.wait()
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def close(self) -> None:
        """Wait and end the thread."""
        self._pool.shutdown(wait=True)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
            self._failed = None
        except OSError as error:
            self._failed = CheckpointError(f"the state of the run cannot be written: {error}")
            log.error("%s", self._failed)
