"""Step 6: the finished utterances become one dataset, which appears at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vall_e.audio.codec import CodecIdentity
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Utterance

from .finished import FinishedWork
from .phonemes import UnknownSymbols
from .progress import progress


def pack(
    path: Path,
    kept: Sequence[int],
    finished: FinishedWork,
    codec: CodecIdentity,
    scratch: Path,
    symbols: UnknownSymbols | None,
) -> None:
    """Write the utterances of fingerprints `kept` to `path`, in that order. `symbols` gets to see the phonemes of all.

    It is made in the folder `scratch` first: whoever reads `path` sees the old dataset or the new.
    """
    made = scratch / path.name
    with StoreWriter(made, codec) as writer:
        for fingerprint, utterance in _utterances(kept, finished):
            writer.append(utterance, fingerprint)
            if symbols is not None:
                symbols.look(utterance.id, utterance.phonemes)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(made, path)


def _utterances(kept: Sequence[int], finished: FinishedWork) -> Iterator[tuple[int, Utterance]]:
    for fingerprint in progress("Packing", kept, len(kept), len(kept)):
        yield fingerprint, finished.utterance(fingerprint)
