"""Stores for the tests of data."""

from __future__ import annotations

from pathlib import Path

import pytest

from vall_e.data.prepare import prepare
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Utterance

from .tones import IDENTITY, EnergyCodec, WriteStore, config, make_source


@pytest.fixture(scope="session")
def tone_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared store: 3 speakers, 3 training utterances and one validation utterance of each."""
    folder = tmp_path_factory.mktemp("tones")
    make_source(folder)
    prepare(config(folder, folder / "tones.h5"), EnergyCodec())
    return folder / "tones.h5"


@pytest.fixture
def write_store(tmp_path: Path) -> WriteStore:
    def write(*utterances: Utterance, name: str = "store.h5") -> Path:
        with StoreWriter(tmp_path / name, IDENTITY) as writer:
            for number, one in enumerate(utterances):
                writer.append(one, number)
        return tmp_path / name

    return write
