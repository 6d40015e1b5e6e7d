"""What a prepared utterance was made from, as one number: equal numbers need no second preparation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace

from vall_e.audio.codec import CodecIdentity
from vall_e.data.recipes.audio_source import CodesSource
from vall_e.data.store.store_format import CONTENT_VERSION

from .contents import Contents
from .piece import Piece


def fingerprints(pieces: Iterable[Piece], codec: CodecIdentity, contents: Contents) -> list[int]:
    """64-bit fingerprints of the version of contents, the codec, what is said where, and the content of the audio.

    Codes that are taken as they are do not depend on the codec's weights, whether these are known or not.
    """
    encoded = _common(codec)
    taken = _common(replace(codec, digest=""))
    found = []
    for piece in pieces:
        own = hashlib.sha256(taken if isinstance(piece.audio, CodesSource) else encoded)
        said = [piece.id, piece.speaker, piece.split, piece.language, piece.text, contents.of(piece.audio)]
        own.update(_canonical([*said, *([piece.span, piece.phonemes] if piece.span or piece.phonemes else [])]))
        found.append(int.from_bytes(own.digest()[:8], "little"))
    return found


def _common(codec: CodecIdentity) -> bytes:
    return _canonical([CONTENT_VERSION, asdict(codec)])


def _canonical(values: object) -> bytes:
    return json.dumps(values, sort_keys=True).encode()
