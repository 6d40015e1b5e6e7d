"""Which recordings of a corpus one of several jobs prepares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Share:
    """The share `number` of `of`, from 0. A recording falls into one by its path, or with `by_stem` by the stem of
    that: then all that are called alike are in the same share."""

    number: int = 0
    of: int = 1
    by_stem: bool = False

    def takes(self, path: str | PurePath) -> bool:
        """Whether the recording of that path falls into this share."""
        if self.of == 1:
            return True
        name = PurePath(path).stem if self.by_stem else str(path)
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "little") % self.of == self.number


EVERYTHING = Share()

RULE = 2
"""Counts up when recordings fall into other shares than before: what jobs judged of earlier shares holds no longer."""
