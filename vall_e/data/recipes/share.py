"""Which recordings of a corpus one of several jobs prepares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Share:
    """The share `number` of `of`, from 0. A recording falls into one by the stem of its path, so that those which might
    be given the same id are in the same share."""

    number: int = 0
    of: int = 1

    def takes(self, path: str | PurePath) -> bool:
        """Whether the recording of that path falls into this share."""
        if self.of == 1:
            return True
        stem = hashlib.sha256(PurePath(path).stem.encode("utf-8", "surrogatepass"))
        return int.from_bytes(stem.digest()[:8], "little") % self.of == self.number


EVERYTHING = Share()
