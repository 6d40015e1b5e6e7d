"""Live commands: what a user types and what the system signals while a run goes on."""

from __future__ import annotations

import logging
import sys
from types import TracebackType
from typing import TextIO

from .command import FORMS, Command, Event, Scheduled, parse
from .signals import Signals
from .standard_input import StandardInput

log = logging.getLogger(__name__)


class Commands:
    """Inside the block, commands typed on stdin and signals are collected for `poll`.

    What signals mean is said in `Signals`. A run in a shell script reads that script's stdin; `< /dev/null` keeps it
    from doing so.
    """

    def __init__(self, stream: TextIO | None = None, *, reads: bool = True) -> None:
        """`stream` in place of stdin; without `reads` signals alone are heeded, as on all ranks but the first."""
        self._stream, self._reads = stream, reads
        self._scheduled: list[Scheduled] = []
        self.signals = Signals()

    def __enter__(self) -> Commands:
        stream = sys.stdin if self._stream is None else self._stream
        self._input = StandardInput(stream if self._reads else None)
        if self._input.open:
            log.info("Commands while it runs: %s", ", ".join(FORMS))
        self.signals.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.signals.__exit__(kind, error, trace)

    def poll(self, step: int) -> list[Command]:
        """What is to be done after `step` steps, in the order it was asked for; never waits."""
        for line in self._input.lines():
            try:
                self._take(line, step)
            except ValueError as error:
                log.warning("%s", error)
        due = [event for event in self._scheduled if event.step <= step]
        self._scheduled = [event for event in self._scheduled if event.step > step]
        commands = [event.command for event in due]
        for name, command in self.signals.poll().items():
            log.info("%s: %s", name, command)
            commands.append(command)
        return commands

    def _take(self, line: str, step: int) -> None:
        match parse(line):
            case Command() as command:
                self._scheduled.append(Scheduled(step, command))
            case Scheduled() as event if event.step <= step:
                log.warning("%s is not scheduled: step %d is done already", event, step)
            case Scheduled() as event:
                self._scheduled.append(event)
                log.info("Scheduled: %s", event)
            case Event("show"):
                log.info("Scheduled: %s", ", ".join(map(str, self._pending(step))) or "nothing")
            case Event():
                log.info("Dropped: %s", ", ".join(map(str, self._pending(step))) or "nothing was scheduled")
                self._scheduled = [event for event in self._scheduled if event.step <= step]

    def _pending(self, step: int) -> list[Scheduled]:
        return sorted((event for event in self._scheduled if event.step > step), key=lambda event: event.step)
