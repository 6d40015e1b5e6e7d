"""Comparing as work that can be interrupted: vectors go to a journal, of which the neighbours are computed at once."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vall_e.config.preparation import PreparationConfig

from .finished import FinishedWork
from .journal import Journal, key_of
from .models import Models
from .progress import progress
from .similarity import AcousticVectors, similar_utterances

Similar = tuple[npt.NDArray[np.int32], npt.NDArray[np.float16]]


def similar_rows(
    kept: Sequence[int],
    speakers: Sequence[str],
    splits: Sequence[str],
    finished: FinishedWork,
    models: Models,
    cfg: PreparationConfig,
    journal: Journal,
) -> Similar:
    """Rows int32 [N, k] and cosines float16 [N, k] for the utterances of fingerprints `kept`, in that order."""
    keys = {fingerprint: key_of("features", fingerprint, cfg.similar_by, cfg.speaker_encoder) for fingerprint in kept}
    vectors = AcousticVectors(models.codec, cfg.similar_by, models.speakers)
    pending = [fingerprint for fingerprint in kept if keys[fingerprint] not in journal]
    for fingerprint in progress("Comparing", pending, len(pending), len(kept)):
        vector = vectors.vector(finished.utterance(fingerprint).codes)
        journal.add(keys[fingerprint], base64.b64encode(vector.astype("<f4").tobytes()).decode())
    journal.close()
    found = [np.frombuffer(base64.b64decode(journal[keys[fingerprint]]), "<f4") for fingerprint in kept]
    names = {name: number for number, name in enumerate(dict.fromkeys(speakers))}
    numbers = np.array([names[name] for name in speakers])
    training = np.array([split == "training" for split in splits])
    return similar_utterances(np.stack(found).astype(np.float32), numbers, training, cfg.similar_top_k)
