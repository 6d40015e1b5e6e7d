"""Recordings that could not be read: a disk may have been away, so each run tries them again."""

from __future__ import annotations

from typing import Any

from vall_e.errors import AudioError

from .journal import Journal


def unread(error: AudioError) -> dict[str, Any]:
    """What a journal keeps of such a recording."""
    return {"dropped": str(error), "unread": True}


def is_open(journal: Journal, key: str) -> bool:
    """Whether work is to be done yet: nobody has done it, or an earlier run could not read the recording."""
    if key not in journal:
        return True
    found = journal[key]
    return isinstance(found, dict) and bool(found.get("unread")) and not journal.is_new(key)
