"""Processes forked from that of the tests, so that nothing is imported anew: they are to be killed."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from threading import Thread

PATIENCE = 600.0
"""Seconds until a process is taken for one that never ends."""


def forked(work: Callable[[], object]) -> int:
    """The id of a process, the leader of a group of its own, that does `work` and exits with 0, or with 1 if that
    fails; it never comes back to the tests."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ended(child: int) -> int:
    """Wait for a process; its exit status, negative for a signal. One that does not end is killed, and fails."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"still running after {PATIENCE:g} s")


def interrupted(work: Callable[[], object], number: int, wait: Callable[[], object]) -> None:
    """Do `work`, amid which this process is sent a signal when `wait` returns in a thread.

    Not by another process: on a machine with much to do that might get its turn when all is over.
    """

    def send() -> None:
        wait()
        os.kill(os.getpid(), number)

    Thread(target=send, daemon=True).start()
    work()
