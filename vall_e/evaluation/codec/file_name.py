"""Names of files for what is named in other ways."""

from __future__ import annotations

import hashlib
import re

DIGITS = 6
"""Of a hash, which tells apart what would be called alike."""


def file_name_of(name: str) -> str:
    """A name without separators or blanks: itself if it has none, else a readable one that no other name has."""
    readable = re.sub(r"[^\w.-]+", "_", name).strip("_.")
    return readable if readable == name else f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:DIGITS]}"
