"""What a step has finished: lines of JSON, appended as the work is done and read by every later run."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO


def key_of(*values: object) -> str:
    """A name for work with this input: equal input needs no second run."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:24]


class Journal:
    """Results by key in `folder`, read from the files of all writers and appended to the file of `writer` alone.

    A kill leaves at most the last line half written; it is dropped, and its work done again.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._own = folder / f"{writer}.jsonl"
        self._folder = folder
        self._results: dict[str, Any] = {}
        self._added: set[str] = set()
        self._file: BinaryIO | None = None
        self.reload()

    def reload(self) -> None:
        """Take in what other writers have added."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        self._take(line)

    def __contains__(self, key: str) -> bool:
        return key in self._results

    def __getitem__(self, key: str) -> Any:
        return self._results[key]

    def __len__(self) -> int:
        return len(self._results)

    def add(self, key: str, result: Any) -> None:
        """Keep a result: it survives a kill from now on."""
        line = json.dumps([key, result], ensure_ascii=False).encode("utf-8", "surrogatepass")
        file = self._file or self._opened()
        file.write(line + b"\n")
        file.flush()
        self._results[key] = result
        self._added.add(key)

    def is_new(self, key: str) -> bool:
        """Whether this very run has added a result, so that what failed is not tried twice in it."""
        return key in self._added

    def close(self) -> None:
        """Make sure that the file is on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _take(self, line: bytes) -> None:
        try:
            key, result = json.loads(line)
        except ValueError:
            return  # a power cut may leave holes
        self._results[key] = result

    def _opened(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._own.exists():
            content = self._own.read_bytes()
            os.truncate(self._own, content.rfind(b"\n") + 1)
        self._file = self._own.open("ab")
        return self._file
