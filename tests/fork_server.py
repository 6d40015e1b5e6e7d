"""`python -m tests.fork_server MODULE...`: forks processes that have torch, Hydra and MODULEs imported already.

A line of standard input is a request in JSON: the command after `python`, its folder, its environment and its standard
files. The answer is the id of the process; when it ends, what `waitpid` tells is written to the file `status`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PRELOADED = (
    "hydra.main",
    "torch",
    "vall_e.training.loop",
    "vall_e.decoding.open_speaker",
    "vall_e.evaluation.evaluate",
    "auraloss.freq",
    "matplotlib.backends.backend_agg",
)
PAUSE = 0.01
"""Seconds between two looks at which processes have ended."""


def main() -> None:
    """Serve until standard input is closed, and end what runs then; returns in each forked process when that has done
    its work."""
    with suppress(ImportError):  # the tests of the configuration run without torch
        for module in (*PRELOADED, *sys.argv[1:]):
            importlib.import_module(module)
    gc.freeze()  # so that forked processes share the memory of what is imported
    answers = os.fdopen(os.dup(1), "w")
    ends: dict[int, Path] = {}
    while True:
        if select.select([0], [], [], PAUSE if ends else None)[0]:
            line = sys.stdin.readline()
            if not line:
                for process in ends:
                    os.kill(process, signal.SIGKILL)
                return
            request = json.loads(line)
            if not (process := os.fork()):
                become(request)
                return
            ends[process] = Path(request["status"])
            print(process, file=answers, flush=True)
        report(ends)


def report(ends: dict[int, Path]) -> None:
    """Write down which processes have ended."""
    while ends and (ended := os.waitpid(-1, os.WNOHANG))[0]:
        path = ends.pop(ended[0])
        path.with_suffix(".new").write_text(str(ended[1]))
        path.with_suffix(".new").replace(path)


def become(request: dict[str, Any]) -> None:
    """Do what `python COMMAND` would do."""
    for number, path in enumerate(request["files"]):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[1:1] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    first, *rest = request["command"]
    if first == "-m":
        sys.path[0], sys.argv[1:] = request["folder"], rest[1:]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv[1:] = str(Path(first).parent), rest
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
