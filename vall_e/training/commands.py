"""Live commands: what a user types, writes to a file or signals while a run goes on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import TextIO

from .command import FORMS, WORDS, Command, Event, Scheduled, parse
from .command_file import CommandFile
from .signals import Signals
from .standard_input import StandardInput

log = logging.getLogger(__name__)


class Commands:
    """Inside the block, commands typed on stdin or added to a file, and signals, are collected for `poll`.

    What signals mean is said in `Signals`. A run in a shell script reads that script's stdin; `< /dev/null` keeps it
    from doing so.
    """

    def __init__(self, stream: TextIO | None = None, file: Path | None = None, *, reads: bool = True) -> None:
        """`stream` in place of stdin; without `reads` signals alone are heeded, as on all ranks but the first."""
        self._stream, self._file, self._reads = stream, file, reads
        self._scheduled: list[Scheduled] = []
        self.signals = Signals()

    def __enter__(self) -> Commands:
        stream = sys.stdin if self._stream is None else self._stream
        self._input = StandardInput(stream if self._reads else None)
        self._added = CommandFile(self._file) if self._file is not None and self._reads else None
        if ways := self._ways():
            log.info("Commands while it runs, %s: %s", " or ".join(ways), ", ".join(FORMS))
        self.signals.__enter__()
        return self

    def _ways(self) -> list[str]:
        typed = ["typed"] if self._input.open else []
        return [*typed, f"as lines added to {self._added.path}"] if self._added is not None else typed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.signals.__exit__(kind, error, trace)

    def poll(self, step: int, only: Collection[str] = WORDS) -> list[Command]:
        """What is to be done after `step` steps, in the order it was asked for; never waits.

        Of commands that are not named in `only` nothing is told yet.
        """
        for line in [*self._input.lines(), *(self._added.lines() if self._added is not None else [])]:
            try:
                self._take(line, step)
            except ValueError as error:
                log.warning("%s", error)
        due = [event for event in self._scheduled if event.step <= step and event.command.name in only]
        self._scheduled = [event for event in self._scheduled if event not in due]
        commands = [event.command for event in due]
        for name, word in self.signals.poll(only).items():
            log.info("%s: %s", name, word)
            commands.append(Command(word))
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
