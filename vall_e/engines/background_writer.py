"""Writes files while training goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from safetensors import SafetensorError

from vall_e.errors import CheckpointError

log = logging.getLogger(__name__)

UNWRITABLE = (OSError, SafetensorError, RuntimeError)
"""What is raised for a full disk by Python, by safetensors and by torch, which writes pickles."""


class BackgroundWriter:
    """Runs one job after another in a thread of its own.

    A job whose files cannot be written is told of at once, in the log, and training goes on: the disk may have room
    again at the next save. `finish` raises what was never written after all.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "writer")
        self._pending: Future[None] | None = None
        self._failed: dict[str, CheckpointError] = {}

    def submit(self, what: str, job: Callable[[], None]) -> None:
        """Run `job`, which writes `what`, in the background, after the one before has ended, which is waited for."""
        self.wait()
        self._pending = self._pool.submit(self._run, what, job)

    def wait(self) -> None:
        """Return when nothing is being written."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def finish(self) -> None:
        """Wait; CheckpointError if the last job that writes the same could not."""
        self.wait()
        failed, self._failed = self._failed, {}
        if failed:
            raise next(iter(failed.values()))

    def close(self) -> None:
        """Wait and end the thread."""
        self._pool.shutdown(wait=True)

    def _run(self, what: str, job: Callable[[], None]) -> None:
        try:
            job()
            self._failed.pop(what, None)
        except UNWRITABLE as error:
            self._failed[what] = CheckpointError(f"{what} cannot be written: {error}")
            log.error("%s", self._failed[what])
