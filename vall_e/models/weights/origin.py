"""What files of weights say of the codec and the tokenizer they were learnt with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from vall_e.audio.codec import CodecIdentity
from vall_e.text import Tokenizer


def differences(metadata: Mapping[str, str], tokenizer: Tokenizer, codec: CodecIdentity) -> Iterator[str]:
    """What the metadata of weights says that is not so in this run."""
    learnt = json.loads(metadata["vall_e"])["codec"] if "vall_e" in metadata else None
    if learnt is not None and learnt != asdict(codec):
        other = f"{learnt['name']} ({learnt['digest']})"
        yield f"it speaks codes of the codec {other}, not of {codec.name} ({codec.digest})"
    symbols = (json.loads(metadata.get("userdata", "null")) or {}).get("symmap")
    if symbols is not None and symbols != tokenizer.vocabulary:
        yield f"it reads {len(symbols)} symbols of another tokenizer than this run's {len(tokenizer.vocabulary)}"
