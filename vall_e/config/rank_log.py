"""Where ranks log: the first to the screen and to its file, the others to files of their own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TextIO

from .rank import rank


class RankScreen(logging.StreamHandler[TextIO]):
    """Shows all that the first rank logs, and warnings of the others."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        if rank():
            self.setLevel(logging.WARNING)


class RankFile(logging.FileHandler):
    """Writes to `FOLDER/APP.log`, which is given, on the first rank, and to `FOLDER/logs/rank1.log` on the second."""

    def __init__(self, filename: str) -> None:
        path = Path(filename)
        if rank():
            path = path.parent / "logs" / f"rank{rank()}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, encoding="utf-8")


def record_folder() -> str | None:
    """Where Hydra keeps what it composed; None for all ranks but the first, which keep nothing."""
    return None if rank() else ".hydra"
