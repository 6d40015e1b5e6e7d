"""Encoding several clips at once changes nothing but how long it takes, however little memory there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline.wave_encoder import WaveEncoder
from vall_e.data.prepare import prepare
from vall_e.data.store.store import Store
from vall_e.errors import AudioError, DataError

from .tones import SAMPLE_RATE, EnergyCodec, make_source


class BatchingEnergies(EnergyCodec):
    """Takes batches of at most `room` samples, silence between clips included, and keeps how many clips each had."""

    def __init__(self, room: int = 10**9) -> None:
        super().__init__()
        self.room, self.batches = room, list[int]()

    def encode_batch(self, waves: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        if len(waves) * max(map(len, waves)) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(waves))
        return [self.encode(wave) for wave in waves]

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        if len(wave) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().encode(wave)


def settings(source: Path, store: Path, seconds: float) -> Config:
    return Config(
        dataset=DatasetConfig(source=str(source), hdf5_name=str(store)),
        preparation=PreparationConfig(batch_seconds=seconds),
    )


def rows(path: Path) -> list[tuple[str, list[list[int]]]]:
    with Store(path) as store:
        return [(one.id, one.codes.tolist()) for one in map(store.utterance, range(len(store)))]


@pytest.mark.parametrize(("room", "most"), [(10**9, 5), (3 * 2 * SAMPLE_RATE, 2), (2 * SAMPLE_RATE + 500, 1)])
def test_a_dataset_of_batches_is_that_of_clips_one_by_one(tmp_path: Path, room: int, most: int):
    lines = make_source(tmp_path / "c")
    (tmp_path / "c" / lines[5]["path"]).write_bytes(b"RIFF")
    prepare(settings(tmp_path / "c", tmp_path / "one.h5", 0), EnergyCodec())
    codec = BatchingEnergies(room)
    report = prepare(settings(tmp_path / "c", tmp_path / "s.h5", 10), codec, part_size=7)
    assert rows(tmp_path / "s.h5") == rows(tmp_path / "one.h5")
    assert [name for name, _ in report.dropped] == ["tone/s1/1"]
    assert codec.encoded == 11
    assert max(codec.batches, default=1) == most


def test_a_batch_lasts_as_long_as_is_set_the_longest_clip_counted_for_each():
    codec = BatchingEnergies()
    waves = [np.ones(SAMPLE_RATE * seconds, np.float32) for seconds in (1, 4, 1, 1, 2, 9, 1)]
    made = WaveEncoder(codec, 4.0).encode(waves)
    assert [len(codes) for codes in made if not isinstance(codes, AudioError)] == [50, 200, 50, 50, 100, 450, 50]
    assert codec.batches == [2, 3]


def test_a_clip_that_cannot_be_used_is_told_in_its_place():
    broken = np.array([np.nan] * SAMPLE_RATE, np.float32)
    whole = np.ones(SAMPLE_RATE, np.float32)
    made = WaveEncoder(BatchingEnergies(), 100.0).encode([whole, broken, whole[:10], whole])
    assert [str(one) if isinstance(one, AudioError) else len(one) for one in made] == [
        50,
        "the audio holds samples that are not finite numbers",
        "the audio is too short: 10 samples, less than one code frame",
        50,
    ]


def test_memory_that_does_not_hold_one_clip_ends_the_run_and_drops_nothing(tmp_path: Path):
    make_source(tmp_path / "c")
    cfg = settings(tmp_path / "c", tmp_path / "s.h5", 10)
    with pytest.raises(DataError, match=r"does not hold a clip of 2\.0 s: set device=cpu"):
        prepare(cfg, BatchingEnergies(2 * SAMPLE_RATE), part_size=4)
    report = prepare(cfg, EnergyCodec())
    assert (report.utterances, report.dropped) == (12, [])
    assert report.encoded == 4
