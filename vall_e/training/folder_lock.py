"""One training process at a time in a run folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vall_e.errors import ConfigError

FILE = ".lock"


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """ConfigError if another process is inside such a block for the same folder.

    The system gives the lock back when the process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a+", encoding="utf-8") as file:
        try:
            # Not flock: the loader's workers would inherit that lock and keep it for a while after a SIGKILL.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            raise ConfigError(
                f"{folder} is being trained in by process {file.read().strip()}: "
                "wait for its end, or choose another folder with hydra.run.dir=PATH"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
