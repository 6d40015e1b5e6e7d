"""Live commands: what a user types and what the system signals while a run goes on."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TextIO

from .command import FORMS, Command, Event, Scheduled, parse
from .standard_input import StandardInput

log = logging.getLogger(__name__)

ENDING = b"\nEnding after this step; Ctrl-C again ends at once, without saving.\n"


class Commands:
    """Inside the block, commands typed on stdin and signals are collected for `poll`.

    SIGTERM and the first SIGINT (Ctrl-C) mean `quit`; a second SIGINT raises KeyboardInterrupt. The handlers that were
    there before return at the end of the block. Signals can be handled in the main thread alone: elsewhere they keep
    their meaning. A run in a shell script reads that script's stdin; `< /dev/null` keeps it from doing so.
    """

    def __init__(self, stream: TextIO | None = None, *, reads: bool = True) -> None:
        """`stream` in place of stdin; without `reads` signals alone are heeded, as on all ranks but the first."""
        self._stream, self._reads = stream, reads
        self._scheduled: list[Scheduled] = []
        self._signalled: str | None = None
        self._interrupted = False
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Commands:
        stream = sys.stdin if self._stream is None else self._stream
        self._input = StandardInput(stream if self._reads else None)
        if self._input.open:
            log.info("Commands while it runs: %s", ", ".join(FORMS))
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # A handler that was not set from Python cannot be set from Python again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

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
        if self._signalled:
            log.info("%s: quit", self._signalled)
            self._signalled = None
            commands.append(Command("quit"))
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

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
            # Not through logging: the signal may have come amid a line being logged.
            with suppress(OSError):
                os.write(2, ENDING)
        self._signalled = signal.Signals(number).name
