"""A recorder that may fail without ending the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from .tracker import Tracker

log = logging.getLogger(__name__)


class Tolerant:
    """Another tracker, until it fails: then that is told once, and the rest of the launch goes without it."""

    def __init__(self, tracker: Tracker) -> None:
        self.name = tracker.name
        self._tracker = tracker
        self._failed = False

    def truncate(self, step: int) -> None:
        """As the tracker does it."""
        self._attempt(lambda: self._tracker.truncate(step))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """As the tracker does it."""
        self._attempt(lambda: self._tracker.log(step, values))

    def close(self) -> None:
        """As the tracker does it."""
        self._attempt(self._tracker.close)

    def _attempt(self, call: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            call()
        except Exception as error:
            self._failed = True
            log.warning("%s records nothing more of this launch: %s", self.name, str(error).partition("\n")[0])
