"""The codes of many utterances, counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch
from tqdm import tqdm

from vall_e.data.pipeline.journal import Journal, key_of

from .candidates import Candidate
from .codebook_use import CodebookUse, codebook_use
from .utterances import Utterance


def counted_use(candidate: Candidate, utterances: Sequence[Utterance], journal: Journal) -> CodebookUse:
    """How a codec uses its codes over utterances; what the journal has of the same ones is taken from there."""
    identity = candidate.codec.identity
    key = key_of("codebook_use", identity.digest, [(one.id, one.audio.size()) for one in utterances])
    if key not in journal:
        bar = tqdm(utterances, desc=f"Counting codes of {candidate.label}", unit="utt", disable=None)
        codes = (candidate.codec.encode(torch.from_numpy(one.read(identity.sample_rate))) for one in bar)
        journal.add(key, asdict(codebook_use(codes, identity.levels, identity.codebook_size)))
    return CodebookUse(**journal[key])
