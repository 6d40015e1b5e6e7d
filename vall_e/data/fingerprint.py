"""What a prepared utterance was made from, as one number: equal numbers need no second preparation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from vall_e.audio.codec import CodecIdentity

from .manifest import ManifestEntry
from .store_format import CONTENT_VERSION


def fingerprints(entries: Iterable[ManifestEntry], codec: CodecIdentity) -> list[int]:
    """64-bit fingerprints of the version of contents, the codec, each manifest line and the size of its audio file."""
    common = hashlib.sha256(_canonical([CONTENT_VERSION, asdict(codec)]))
    found = []
    for entry in entries:
        own = common.copy()
        own.update(_canonical([entry.id, entry.speaker, entry.split, entry.language, entry.text, _size(entry)]))
        found.append(int.from_bytes(own.digest()[:8], "little"))
    return found


def _canonical(values: object) -> bytes:
    return json.dumps(values, sort_keys=True).encode()


def _size(entry: ManifestEntry) -> int:
    try:
        return entry.audio.stat().st_size
    except OSError:
        return -1
