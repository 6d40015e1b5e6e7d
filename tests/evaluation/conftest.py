"""Real speech, the real codec and a model that has learnt nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import vall_e
from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.audio.read import read_audio
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.dataset import DatasetConfig
from vall_e.config.model import ModelConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.corpus_entries import ManifestEntry, read_corpus
from vall_e.data.sample import Sample
from vall_e.models.vall_e import VallE
from vall_e.text import open_tokenizer

from .speech import TINY, Speech

SECONDS = 0.6


@pytest.fixture(scope="session")
def codec() -> Codec:
    return open_codec(AudioBackend.builtin, CodecConfig(), "cpu")


@pytest.fixture(scope="session")
def speech(codec: Codec) -> Speech:
    """Beginnings of four recordings of the sample speech."""
    tokenizer = open_tokenizer(None, None)

    def sample(entry: ManifestEntry) -> Sample:
        wave = read_audio(entry.audio.open(), codec.identity.sample_rate)[: int(SECONDS * codec.identity.sample_rate)]
        codes = codec.encode(torch.from_numpy(wave)).numpy()
        return Sample(
            task="tts",
            utterance=entry.id,
            speaker=entry.speaker,
            language=entry.language,
            text=entry.text,
            tokens=np.array(tokenizer.encode("həloʊ"), np.int64),
            prompt=codes[:20],
            response=codes,
        )

    corpus = read_corpus(Path(vall_e.__file__).parent / "sample", DatasetConfig(), PreparationConfig())
    return [sample(entry) for entry in corpus.entries[:4]]


@pytest.fixture
def model() -> VallE:
    torch.manual_seed(0)
    return VallE(ModelConfig(size=TINY))
