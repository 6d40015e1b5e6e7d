"""Settings by dotted key, for example `trainer.iterations`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat(tree: Mapping[Any, Any], at: str = "") -> dict[str, Any]:
    """The values of a tree of mappings; a list is one value, an empty mapping is none. `at` is put before each key."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{at}.{name}" if at else str(name)
        found |= flat(value, key) if isinstance(value, Mapping) else {key: value}
    return found
