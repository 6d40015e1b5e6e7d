"""The store gives back what was written, in any process, and says what is wrong with a file."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vall_e.data.store import store_format, store_writer
from vall_e.data.store.store import Store
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import SPLITS, Utterance
from vall_e.errors import DataError

from .tones import FRAME_RATE, IDENTITY, LEVELS, WriteStore, utterance
from .version_1 import write_version_1

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CODES = arrays(np.int16, st.tuples(st.integers(0, 40), st.just(LEVELS)), elements=st.integers(0, 1023))
UTTERANCES = st.lists(
    st.builds(
        Utterance,
        id=TEXTS,
        speaker=TEXTS,
        split=st.sampled_from(SPLITS),
        language=st.sampled_from(["en-us", "ja"]),
        text=TEXTS,
        phonemes=TEXTS,
        codes=CODES,
    ),
    max_size=8,
)


@given(utterances=UTTERANCES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, utterances: list[Utterance]):
    monkeypatch.setattr(store_writer, "FLUSH_ROWS", 3)
    with StoreWriter(tmp_path / "s.h5", IDENTITY) as writer:
        for number, one in enumerate(utterances):
            writer.append(one, 2**64 - 1 - number)
    with Store(tmp_path / "s.h5") as store:
        assert len(store) == len(utterances)
        assert store.frames.tolist() == [len(one.codes) for one in utterances]
        assert store.column("fingerprint").tolist() == [2**64 - 1 - number for number in range(len(utterances))]
        for row, one in enumerate(utterances):
            read = store.utterance(row)
            assert {**vars(read), "codes": 0} == {**vars(one), "codes": 0}
            assert read.codes.dtype == np.int16
            np.testing.assert_array_equal(read.codes, one.codes)


def test_attributes_tell_counts_codec_and_names_without_this_program(write_store: WriteStore):
    path = write_store(utterance(0, 100, "g/a"), utterance(1, 80, "g/ü", language="de"))
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
    assert attributes["utterances"] == 2
    assert attributes["hours"] == pytest.approx(180 / FRAME_RATE / 3600)
    assert attributes["speakers"] == '["g/a", "g/ü"]'
    assert attributes["languages"] == '["en-us", "de"]'
    assert Store(path).info.codec == IDENTITY


def test_a_list_of_speakers_longer_than_64_kib_is_kept(write_store: WriteStore):
    path = write_store(*(utterance(i, 1, f"librivox/speaker-{i:05}") for i in range(4000)))
    assert len(Store(path).info.speakers) == 4000


def test_rows_beyond_the_end_are_refused(write_store: WriteStore):
    store = Store(write_store(utterance(0, 5)))
    for row in (-1, 1):
        with pytest.raises(IndexError):
            store.utterance(row)


def test_a_store_already_open_reads_in_spawned_and_forked_processes(write_store: WriteStore):
    store = Store(write_store(*(utterance(i, 50 + i) for i in range(20))))
    assert store.codes(3)[0, 0] == 3
    again = pickle.loads(pickle.dumps(store))
    assert again.codes(4)[0, 0] == 4
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(store.utterance, range(20))
    assert [one.codes[0, 0] for one in found] == list(range(20))
    assert store.codes(5)[0, 0] == 5


def test_an_error_while_writing_leaves_the_old_store_and_no_litter(write_store: WriteStore, tmp_path: Path):
    path = write_store(utterance(7, 5))
    with pytest.raises(RuntimeError), StoreWriter(path, IDENTITY) as writer:
        writer.append(utterance(8, 5), 0)
        raise RuntimeError
    assert Store(path).utterance(0).id == "g/a/7"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(DataError, match=r"does not exist: python -m vall_e\.prepare dataset=\.\.\. makes it"):
        len(Store(tmp_path / "no.h5"))


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_named(write_store: WriteStore, keep: float):
    path = write_store(*(utterance(i, 500) for i in range(20)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DataError, match=str(path)):
        Store(path).utterance(19)


def test_overwritten_bytes_are_an_error_not_other_codes(write_store: WriteStore):
    rng = np.random.default_rng(0)
    path = write_store(*(utterance(i, 500) for i in range(20)))
    content = bytearray(path.read_bytes())
    content[2048:] = rng.bytes(len(content) - 2048)
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        Store(path).utterance(19)


def test_a_foreign_hdf5_file_is_told_from_a_store_of_another_version(
    tmp_path: Path, write_store: WriteStore, monkeypatch: pytest.MonkeyPatch
):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(DataError, match="no dataset made by"):
        len(Store(tmp_path / "foreign.h5"))
    monkeypatch.setattr(store_format, "VERSION", 99)
    path = write_store(utterance(0, 5))
    with pytest.raises(DataError, match="version 99, this program reads versions up to 2"):
        len(Store(path))


def test_opening_reads_the_same_from_a_large_store_as_from_a_small_one(write_store: WriteStore):
    small = write_store(*(utterance(i, 20) for i in range(100)), name="small.h5")
    large = write_store(*(utterance(i, 20) for i in range(20_000)), name="large.h5")

    def read_by_opening(path: Path) -> int:
        before = _bytes_read()
        assert Store(path).info.utterances
        return _bytes_read() - before

    assert large.stat().st_size > 10 * small.stat().st_size
    assert read_by_opening(large) <= 2 * read_by_opening(small) + 4096


def _bytes_read() -> int:
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("this system does not count bytes read")
    return int(counters.read_text().split("rchar: ")[1].split()[0])


def test_a_store_of_version_1_is_read(tmp_path: Path, write_store: WriteStore):
    utterances = [utterance(i, 300 + i, f"g/{'ab'[i % 2]}", SPLITS[i % 2]) for i in range(9)]
    write_version_1(tmp_path / "old.h5", utterances)
    old, new = Store(tmp_path / "old.h5"), Store(write_store(*utterances))
    assert (len(old), old.info) == (len(new), new.info)
    assert old.content_crc32 == new.content_crc32
    for name in ("speaker", "language", "split", "fingerprint"):
        np.testing.assert_array_equal(old.column(name), new.column(name))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert [one.id for one in pool.map(old.utterance, range(9))] == [one.id for one in utterances]
    for row, one in enumerate(utterances):
        np.testing.assert_array_equal(old.codes(row), one.codes)
