"""Several stores as one, read like one, and opened as they are needed."""

from __future__ import annotations

import multiprocessing
import pickle
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vall_e.data.store import open_shards as shard_module
from vall_e.data.store.shards import join_shards
from vall_e.data.store.similar import write_similar
from vall_e.data.store.store import Store
from vall_e.data.store.store_file import StoreFile
from vall_e.data.store.store_writer import StoreWriter
from vall_e.errors import DataError

from .test_dataset import assert_same_sample
from .tones import IDENTITY, EnergyCodec, WriteStore, open_dataset, utterance

SPEAKERS = ["g/b", "g/a", "g/c", "g/a", "g/b", "g/c", "g/a", "g/b"]
UTTERANCES = [
    utterance(i, 60 + i, speaker, "validation" if i == 3 else "training", "de" if i > 5 else "ja")
    for i, speaker in enumerate(SPEAKERS)
]


@pytest.fixture
def shards(write_store: WriteStore, tmp_path: Path) -> list[Path]:
    (tmp_path / "parts").mkdir()
    cuts = [UTTERANCES[:3], UTTERANCES[3:4], [], UTTERANCES[4:]]
    return [write_store(*part, name=f"parts/{number}.h5") for number, part in enumerate(cuts)]


def assert_same_stores(one: Store, other: Store) -> None:
    assert len(one) == len(other)
    np.testing.assert_array_equal(one.frames, other.frames)
    for row in range(len(one)):
        mine, theirs = one.utterance(row), other.utterance(row)
        assert {**vars(mine), "codes": 0} == {**vars(theirs), "codes": 0}
        np.testing.assert_array_equal(mine.codes, theirs.codes)


def test_shards_read_like_one_store(write_store: WriteStore, shards: list[Path], tmp_path: Path):
    whole, index = write_store(*UTTERANCES, name="whole.h5"), tmp_path / "all.h5"
    info = join_shards(index, shards)
    assert info.hours == pytest.approx(Store(whole).info.hours)
    assert_same_stores(Store(index), Store(whole))
    for split in ("training", "validation"):
        one, other = (open_dataset(path, split, min_utterances=1) for path in (index, whole))
        assert one.speakers == other.speakers
        for number in range(len(one)):
            assert_same_sample(one.sample(number, 2), other.sample(number, 2))
    with pytest.raises(IndexError):
        Store(index).utterance(len(UTTERANCES))


def test_similar_utterances_are_found_across_shards(shards: list[Path], tmp_path: Path):
    index, count = tmp_path / "all.h5", len(UTTERANCES)
    join_shards(index, shards)
    write_similar(index, np.arange(count, dtype=np.int32)[::-1, None], np.ones((count, 1), np.float16))
    assert Store(index).similar(1).tolist() == [count - 2]


def test_a_shard_can_be_added_to_an_index_that_others_read(shards: list[Path], tmp_path: Path):
    index = tmp_path / "all.h5"
    join_shards(index, shards[:2])
    reader = Store(index)
    assert reader.utterance(0).id == "g/b/0"
    join_shards(index, [index, *shards[2:]])
    assert [reader.utterance(row).id for row in range(4)] == [one.id for one in UTTERANCES[:4]]
    assert len(Store(index)) == len(UTTERANCES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.h5", "parts"]


def test_a_folder_of_shards_can_be_moved(shards: list[Path], tmp_path: Path):
    join_shards(tmp_path / "all.h5", shards)
    moved = tmp_path.rename(tmp_path.with_name(tmp_path.name + "-moved"))
    assert Store(moved / "all.h5").utterance(7).id == "g/b/7"


def test_only_shards_that_are_read_are_opened_and_few_at_a_time(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shard_module, "MOST_OPEN_SHARDS", 1)
    index = tmp_path / "all.h5"
    join_shards(index, shards)
    kept = shards[3].read_bytes()
    shards[3].unlink()
    store = Store(index)
    assert [store.utterance(row).id for row in (0, 3, 1)] == ["g/b/0", "g/a/3", "g/a/1"]
    with pytest.raises(DataError, match=r"3\.h5 does not exist"):
        store.utterance(5)
    shards[3].write_bytes(kept)
    assert pickle.loads(pickle.dumps(store)).utterance(5).id == "g/c/5"


def test_several_processes_read_shards_at_once(shards: list[Path], tmp_path: Path):
    join_shards(tmp_path / "all.h5", shards)
    store = Store(tmp_path / "all.h5")
    store.utterance(0)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert [one.id for one in pool.map(store.utterance, range(8))] == [one.id for one in UTTERANCES]


def test_a_shard_that_was_made_anew_is_refused(write_store: WriteStore, shards: list[Path], tmp_path: Path):
    join_shards(tmp_path / "all.h5", shards)
    write_store(*UTTERANCES[:4], name="parts/1.h5")
    with pytest.raises(DataError, match=r"1\.h5 has changed since it was put into .*all\.h5"):
        Store(tmp_path / "all.h5").utterance(3)


def test_shards_that_do_not_join_are_refused(shards: list[Path], tmp_path: Path):
    index = tmp_path / "all.h5"
    with StoreWriter(tmp_path / "other.h5", EnergyCodec(digest="1" * 16).identity) as writer:
        writer.append(UTTERANCES[0], 0)
    with pytest.raises(DataError, match="do not join"):
        join_shards(index, [*shards, tmp_path / "other.h5"])
    with pytest.raises(DataError, match="twice"):
        join_shards(index, [shards[0], shards[0]])
    with pytest.raises(DataError, match="no shards"):
        join_shards(index, [])
    with pytest.raises(DataError, match="shard itself"):
        join_shards(shards[0], shards)
    assert not index.exists()
    assert Store(shards[0]).info.codec == IDENTITY


@pytest.mark.parametrize("order", [1, -1])
def test_codes_of_unknown_weights_join_those_that_are_known(tmp_path: Path, order: int):
    paths, known = [], [replace(IDENTITY, digest=""), IDENTITY]
    for number, identity in enumerate(known[::order]):
        paths.append(tmp_path / f"{number}.h5")
        with StoreWriter(paths[-1], identity) as writer:
            writer.append(utterance(number, 9), number)
    assert join_shards(tmp_path / "all.h5", paths).codec == IDENTITY


def test_the_shard_read_least_recently_is_closed_and_none_is_compared_twice(
    write_store: WriteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    parts = [write_store(one, name=f"{number}.h5") for number, one in enumerate(UTTERANCES[:3])]
    join_shards(tmp_path / "all.h5", parts)
    opened: list[str] = []
    compared: list[str] = []

    class Opened(StoreFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.append(path.name)

        @property
        def content_crc32(self) -> int:
            compared.append(self.path.name)
            return super().content_crc32

    monkeypatch.setattr(shard_module, "MOST_OPEN_SHARDS", 2)
    monkeypatch.setattr(shard_module, "StoreFile", Opened)
    store = Store(tmp_path / "all.h5")
    for row in (0, 1, 0, 2, 0, 1):
        assert store.utterance(row).id == UTTERANCES[row].id
    assert opened == ["0.h5", "1.h5", "2.h5", "1.h5"]
    assert compared == ["0.h5", "1.h5", "2.h5"]
    write_store(UTTERANCES[5], UTTERANCES[4], name="2.h5")
    with pytest.raises(DataError, match="has changed"):
        store.utterance(2)


def test_many_shards_stay_open(monkeypatch: pytest.MonkeyPatch):
    for soft, allowed in ((1024, 512), (65_536, 4096), (resource.RLIM_INFINITY, 4096), (1, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert shard_module.open_limit() == allowed
