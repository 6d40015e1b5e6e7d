"""What becomes of a setting of an old configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vall_e.config.setting import shown as as_typed

Keys = tuple[str, ...]
"""Where a setting lies, for example ("model", "dropout"). Not a dotted name: entries of mappings may hold dots."""


@dataclass(frozen=True)
class Item:
    """A setting of the old file, or a default of the reference that it leaves out."""

    name: str
    """How the old file calls it, for example `models[0].dropout`."""
    keys: Keys
    """Where it would lie here."""
    value: Any


@dataclass(frozen=True)
class Placed:
    """It is a setting here, too."""

    keys: Keys
    value: Any
    note: str = ""
    """Why the value is another, if it is."""


@dataclass(frozen=True)
class Dropped:
    """It has no meaning here."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """It should have a place but has none."""

    reason: str


@dataclass(frozen=True)
class Opened:
    """It holds settings, which lie below `keys` here."""

    keys: Keys


Outcome = Placed | Dropped | Refused | Opened


@dataclass(frozen=True)
class Old:
    """An old configuration, and the folder that its paths are relative to."""

    tree: Mapping[Any, Any]
    folder: Path

    def get(self, section: str, name: str) -> Any:
        """A value of a section; None if it is not there."""
        found = self.tree.get(section)
        return found.get(name) if isinstance(found, Mapping) else None


Translator = Callable[[Item, Old], Iterator[Outcome]]


def shown(value: Any) -> str:
    """A value on one line of the report, cut short."""
    text = as_typed(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dotted(keys: Keys) -> str:
    """The name of a setting; keys that would spoil a line of text are escaped."""
    return ".".join(key if key.isprintable() else repr(key) for key in keys)
