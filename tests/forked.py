"""Python processes as `subprocess` starts them, but forked from one that has imported torch and Hydra already.

They are processes of their own, to be killed and to be given other environments. Where it matters what is imported,
how an interpreter starts or what it reads from its environment then, `subprocess` is to be taken.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PATIENCE = 600.0
"""Seconds until a process is taken for one that never ends; a machine may be slow."""


@cache
def _server(modules: tuple[str, ...]) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(REPOSITORY), "DS_ACCELERATOR": "cpu"}
    command = [sys.executable, "-m", "tests.fork_server", *modules]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, env=env, stdin=pipe, stdout=pipe, text=True)


class Forked:
    """A process `python COMMAND`, with the methods of `subprocess.Popen`; COMMAND is `-m MODULE ...` or `FILE ...`."""

    def __init__(
        self, command: list[str], folder: Path, environment: Mapping[str, str], modules: tuple[str, ...] = ()
    ) -> None:
        self.returncode: int | None = None
        self._files = Path(tempfile.mkdtemp(prefix="forked-"))
        self._status = self._files / "status"
        request = {
            "command": command,
            "folder": str(folder),
            "environment": dict(environment),
            "files": [os.devnull, str(self._files / "out"), str(self._files / "error")],
            "status": str(self._status),
        }
        server = _server(modules)
        assert server.stdin is not None and server.stdout is not None
        print(json.dumps(request), file=server.stdin, flush=True)
        self.pid = int(server.stdout.readline())

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs."""
        if self.returncode is None and self._status.exists():
            self.returncode = os.waitstatus_to_exitcode(int(self._status.read_text()))
        return self.returncode

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Standard output and error of the process when it has ended."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < deadline, f"still running after {timeout} s:\n{self.told()}"
            time.sleep(0.01)
        return self._told("out"), self._told("error")

    def told(self) -> str:
        """What was written until now."""
        return self._told("out") + self._told("error")

    def send_signal(self, number: int) -> None:
        """Signal the process if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)

    def _told(self, name: str) -> str:
        path = self._files / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A process that has ended."""
    process = Forked(command, folder, environment)
    out, error = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(command, process.returncode, out, error)
