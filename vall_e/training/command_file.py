"""Lines that are appended to a file while a run goes on."""

from __future__ import annotations

from pathlib import Path


class CommandFile:
    """Reads `echo save >> RUN/commands`; what was in the file before the run began is left alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = self._size()

    def lines(self) -> list[str]:
        """Complete lines that were added since the last call; all, if the file has been written anew."""
        size = self._size()
        if size < self._read:
            self._read = 0
        if size == self._read:
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            added, newline, _ = file.read(size - self._read).rpartition(b"\n")
        self._read += len(added + newline)
        return [text for line in added.split(b"\n") if (text := line.decode("utf-8", "replace").strip())]

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0
