"""Lines from a terminal or a pipe, never waiting for one."""

from __future__ import annotations

import io
import os
import select
import stat
from typing import TextIO

CHUNK = 4096


class StandardInput:
    """Reads what has been typed so far.

    A stream that is closed, a regular file or /dev/null is not read, nor is the terminal while the run is in the
    background: the system stops a process that tries.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._descriptor = _descriptor(stream)
        self._pending = b""

    @property
    def open(self) -> bool:
        """Whether lines may still come."""
        return self._descriptor is not None

    def lines(self) -> list[str]:
        """Complete lines that have come since the last call; at the end of the input an unfinished one, too."""
        while self._descriptor is not None and _readable(self._descriptor):
            chunk = os.read(self._descriptor, CHUNK)
            self._pending += chunk
            if not chunk:
                self._descriptor = None
        *complete, rest = self._pending.split(b"\n")
        self._pending = rest if self.open else b""
        if not self.open:
            complete.append(rest)
        return [text for line in complete if (text := line.decode("utf-8", "replace").strip())]


def _descriptor(stream: TextIO | None) -> int | None:
    """The descriptor of a terminal or pipe; None for anything else."""
    try:
        descriptor = stream.fileno() if stream is not None else -1
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError, io.UnsupportedOperation):
        return None
    readable = os.isatty(descriptor) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    return descriptor if readable and hasattr(os, "getpgrp") else None


def _readable(descriptor: int) -> bool:
    try:
        if os.isatty(descriptor) and os.tcgetpgrp(descriptor) != os.getpgrp():
            return False
        return bool(select.select([descriptor], [], [], 0)[0])
    except (OSError, ValueError):
        return False
