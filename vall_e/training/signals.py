"""What the system and a launcher signal while a run goes on."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType

from .command import Command

ENDING = b"\nEnding after this step; Ctrl-C again ends at once, without saving.\n"
LAUNCHERS = (signal.SIGUSR1, signal.SIGUSR2)
"""With one of these a launcher such as submitit tells that the time of its job is over."""


class Signals:
    """Inside the block, signals become commands for `poll`; the handlers that were there before return at its end.

    The first SIGINT (Ctrl-C) means `quit`, a second one raises KeyboardInterrupt. SIGTERM means `quit`; where a
    launcher has a handler for it, as its jobs outlive it, `save`. A signal of `LAUNCHERS` that has a handler means
    `quit`, and waits for `hand_on`. Signals can be handled in the main thread alone: elsewhere they keep their meaning.
    """

    def __init__(self) -> None:
        self._meanings: dict[int, Command] = {}
        self._previous: dict[int, signal._HANDLER] = {}
        self._found: list[int] = []
        self._interrupted = False
        self._to_hand_on: int | None = None

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._meanings = meanings()
            self._previous = {number: signal.signal(number, self._on_signal) for number in self._meanings}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # A handler that was not set from Python cannot be set from Python again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    def poll(self) -> dict[str, Command]:
        """Command by name of the signal, of those that came since the last time."""
        found, self._found = self._found, []
        return {signal.Signals(number).name: self._meanings[number] for number in found}

    def hand_on(self) -> None:
        """Give the launcher's signal to its handler, which may end the process and ask for its job to be run again."""
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
        if number in LAUNCHERS:
            self._to_hand_on = number
        self._found.append(number)


def meanings() -> dict[int, Command]:
    """What each signal that is heeded means, given the handlers that are set."""
    launchers: dict[int, Command] = {
        number: Command("quit") for number in LAUNCHERS if callable(signal.getsignal(number))
    }
    ending = Command("save" if callable(signal.getsignal(signal.SIGTERM)) else "quit")
    return {signal.SIGINT: Command("quit"), signal.SIGTERM: ending, **launchers}
