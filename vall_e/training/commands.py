"""Live commands: what a user types, writes to a file or signals while a run goes on."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TextIO

from .command import FORMS, WORDS, Command, Event, Scheduled, parse
from .command_file import CommandFile
from .standard_input import StandardInput

log = logging.getLogger(__name__)

ENDING = b"\nEnding after this step; Ctrl-C again ends at once, without saving.\n"


MEANINGS = {"SIGTERM": "quit", "SIGINT": "quit", "SIGUSR1": "save", "SIGUSR2": "eval"}


class Commands:
    """Inside the block, commands typed on stdin or added to a file, and signals, are collected for `poll`.

    SIGTERM and the first SIGINT (Ctrl-C) mean `quit`, SIGUSR1 `save` and SIGUSR2 `eval`; a second SIGINT raises
    KeyboardInterrupt. SIGUSR1 and SIGUSR2 stay with whoever handles them already, as submitit does. Handlers that were
    there before return at the end of the block. Signals can be handled in the main thread alone: elsewhere they keep
    their meaning. A run in a shell script reads that script's stdin; `< /dev/null` keeps it from doing so.
    """

    def __init__(self, stream: TextIO | None = None, file: Path | None = None, *, reads: bool = True) -> None:
        """`stream` in place of stdin; without `reads` signals alone are heeded, as on all ranks but the first."""
        self._stream, self._file, self._reads = stream, file, reads
        self._scheduled: list[Scheduled] = []
        self._signalled: list[str] = []
        self._interrupted = False
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Commands:
        stream = sys.stdin if self._stream is None else self._stream
        self._input = StandardInput(stream if self._reads else None)
        self._added = CommandFile(self._file) if self._file is not None and self._reads else None
        if ways := self._ways():
            log.info("Commands while it runs, %s: %s", " or ".join(ways), ", ".join(FORMS))
        if threading.current_thread() is threading.main_thread():
            for name in MEANINGS:
                self._heed(name)
        return self

    def _ways(self) -> list[str]:
        typed = ["typed"] if self._input.open else []
        return [*typed, f"as lines added to {self._added.path}"] if self._added is not None else typed

    def _heed(self, name: str) -> None:
        number = getattr(signal, name, None)  # Windows has no SIGUSR1
        if number is None or ("USR" in name and signal.getsignal(number) is not signal.SIG_DFL):
            return
        self._previous[number] = signal.signal(number, self._on_signal)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # A handler that was not set from Python cannot be set from Python again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

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
        for name in [name for name in self._signalled if MEANINGS[name] in only]:
            self._signalled.remove(name)
            log.info("%s: %s", name, MEANINGS[name])
            commands.append(Command(MEANINGS[name]))
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
        if (name := signal.Signals(number).name) not in self._signalled:
            self._signalled.append(name)
