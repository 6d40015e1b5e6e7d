"""What the system, a user or a launcher signals while a run goes on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Collection
from contextlib import suppress
from types import FrameType, TracebackType

from .command import WORDS

MEANINGS = {"SIGTERM": "quit", "SIGINT": "quit", "SIGUSR1": "save", "SIGUSR2": "eval"}
LAUNCHED = {"SIGTERM": "save", "SIGUSR1": "quit", "SIGUSR2": "quit"}
"""What they mean where a launcher has set a handler before, as submitit does: the last two end the time of its job."""
ENDING = b"\nEnding after this step; Ctrl-C again ends at once, without saving.\n"


class Signals:
    """Inside the block, signals are collected for `poll`; the handlers that were there before return at its end.

    A second SIGINT (Ctrl-C) raises KeyboardInterrupt. SIGUSR1 and SIGUSR2 that end the time of a launcher's job wait
    for `hand_on`; ignored ones stay so. Signals can be handled in the main thread alone: elsewhere they keep their
    meaning.
    """

    def __init__(self) -> None:
        self._meanings: dict[str, str] = {}
        self._previous: dict[int, signal._HANDLER] = {}
        self._found: list[str] = []
        self._to_hand_on: int | None = None
        self._interrupted = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._meanings = meanings()
            numbers = [signal.Signals[name] for name in self._meanings]
            self._previous = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # A handler that was not set from Python cannot be set from Python again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    def poll(self, only: Collection[str] = WORDS) -> dict[str, str]:
        """Words of commands, of those in `only`, by name of the signal that came since the last time."""
        found = {name: self._meanings[name] for name in self._found if self._meanings[name] in only}
        for name in found:
            self._found.remove(name)
        return found

    def hand_on(self) -> None:
        """Give the launcher its signal; it may end the process and have the job run again. After the block."""
        if self._to_hand_on is not None:
            signal.raise_signal(self._to_hand_on)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
            # Not through logging: the signal may have come amid a line being logged.
            with suppress(OSError):
                os.write(2, ENDING)
        name = signal.Signals(number).name
        if "USR" in name and self._meanings[name] == "quit":
            self._to_hand_on = number
        if name not in self._found:
            self._found.append(name)


def meanings() -> dict[str, str]:
    """The word of the command that each signal means, given the handlers that are set."""
    found: dict[str, str] = {}
    for name, meaning in MEANINGS.items():
        number = getattr(signal, name, None)  # Windows has no SIGUSR1
        handler = signal.SIG_IGN if number is None else signal.getsignal(number)
        if callable(handler):
            found[name] = LAUNCHED.get(name, meaning)
        elif handler is signal.SIG_DFL or "USR" not in name:
            found[name] = meaning
    return found
