"""Damage is found wherever it is, named, and never read as something else."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from vall_e.data.store.check import check_store, main
from vall_e.data.store.column_file import BLOCK_BYTES, rest_crc32, user_block
from vall_e.data.store.shards import join_shards
from vall_e.data.store.similar import write_similar
from vall_e.data.store.similar_file import similar_path
from vall_e.data.store.store import Store
from vall_e.errors import DataError

from .tones import WriteStore, utterance
from .version_1 import write_version_1

UTTERANCES = [utterance(i, 40 + i, f"g/{'ab'[i % 2]}", text=f"text {i}") for i in range(40)]


def flip(path: Path, offset: int, bits: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= bits
    path.write_bytes(content)


def place(path: Path, column: str, byte: int) -> int:
    with h5py.File(path) as file:
        return int(file[column].id.get_offset()) + byte


@pytest.fixture
def path(write_store: WriteStore) -> Path:
    return write_store(*UTTERANCES)


def test_a_sound_store_has_no_problems(path: Path, tmp_path: Path):
    write_similar(path, np.zeros((40, 2), np.int32), np.zeros((40, 2), np.float16))
    join_shards(tmp_path / "all.h5", [path])
    write_version_1(tmp_path / "old.h5", UTTERANCES)
    assert [check_store(tmp_path / name) for name in ("store.h5", "all.h5", "old.h5")] == [[], [], []]


def test_a_changed_byte_is_found_wherever_it_is(path: Path):
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for offset in [0, 1, 100, 2047, 2048, len(whole) - 1, *draw.integers(0, len(whole), 150).tolist()]:
        flip(path, offset, int(draw.integers(1, 256)))
        problems = check_store(path)
        assert problems, offset
        assert all(str(path) in problem for problem in problems)
        path.write_bytes(whole)


def test_a_damaged_store_gives_what_was_written_or_an_error(path: Path):
    whole = path.read_bytes()
    draw = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        start, size = int(draw.integers(len(whole))), int(draw.integers(1, 400))
        content[start : start + size] = draw.bytes(len(content[start : start + size]))
        path.write_bytes(content)
        store = Store(path)
        for row, written in enumerate(UTTERANCES):
            try:
                read = store.utterance(row)
            except DataError as error:
                assert str(path) in str(error)
                refused += 1
                continue
            assert {**vars(read), "codes": 0} == {**vars(written), "codes": 0}
            np.testing.assert_array_equal(read.codes, written.codes)
    assert 0 < refused < 60 * 40


@pytest.mark.parametrize("keep", [0, 1, 2047, 5000, -1])
def test_a_cut_file_is_named(path: Path, keep: int):
    path.write_bytes(path.read_bytes()[:keep])
    (problem,) = check_store(path)
    assert str(path) in problem


def test_damaged_utterances_are_named_the_others_are_not(path: Path):
    frames = sum(len(one.codes) for one in UTTERANCES[:5])
    flip(path, place(path, "codes", frames * 8 + 3))
    assert check_store(path) == [
        f"{path}: codes is damaged",
        f"{path}: utterance g/b/5 (row 5) cannot be used",
    ]
    flip(path, place(path, "texts", 0))
    assert f"{path}: the utterance of row 0 cannot be used" in check_store(path)


def test_many_damaged_utterances_are_counted(path: Path):
    for row in range(30):
        flip(path, place(path, "checksums", 8 * row))
    problems = check_store(path)
    assert len(problems) == 22
    assert problems[-1].endswith("30 of 40 utterances cannot be used in all")


def test_a_damaged_column_of_numbers_is_named_and_refused_where_it_is_read(path: Path):
    flip(path, place(path, "speaker", 8))
    assert check_store(path)[0] == f"{path}: speaker is damaged"
    with pytest.raises(DataError, match="the checksum of speaker does not hold"):
        Store(path).column("speaker")


def test_damage_of_a_shard_of_an_index_and_of_similar_utterances_is_named(write_store: WriteStore, tmp_path: Path):
    shards = [write_store(*UTTERANCES[i : i + 10], name=f"{i}.h5") for i in range(0, 40, 10)]
    index = tmp_path / "all.h5"
    join_shards(index, shards)
    write_similar(index, np.zeros((40, 2), np.int32), np.zeros((40, 2), np.float16))
    flip(shards[1], place(shards[1], "codes", 0))
    shards[2].unlink()
    write_store(*UTTERANCES[:3], name="30.h5")
    flip(similar_path(index), place(similar_path(index), "scores", 0))
    problems = check_store(index)
    assert [problem.split(":")[0].split(" ")[0] for problem in problems] == [
        str(file) for file in (shards[1], shards[1], shards[2], shards[3], similar_path(index))
    ]
    assert "utterance g/a/10 (row 0)" in problems[1]
    assert "does not exist" in problems[2]
    assert "has changed" in problems[3]


def test_damaged_codes_of_version_1_are_found(tmp_path: Path):
    old = tmp_path / "old.h5"
    write_version_1(old, UTTERANCES)
    with h5py.File(old) as file:
        chunk = file["codes"].id.get_chunk_info(1)
    flip(old, chunk.byte_offset + chunk.size // 2)
    problems = check_store(old)
    assert problems[0] == f"{old}: codes is damaged"
    assert 2 < len(problems) < 22


def rewritten(path: Path, places: list[tuple[int, int]]) -> None:
    """Give a file a user block that fits its content and names these places."""
    content = bytearray(path.read_bytes())
    content[:BLOCK_BYTES] = user_block(places, rest_crc32(path, places))
    path.write_bytes(content)


@pytest.mark.parametrize("places", [[(10**18, 5)], [(-5, 10**18)], [(3000, -9)], [(0, 10**18)]])
def test_places_that_no_file_has_are_refused_at_once(path: Path, places: list[tuple[int, int]]):
    content = bytearray(path.read_bytes())
    content[:BLOCK_BYTES] = user_block(places, 0)
    path.write_bytes(content)
    (problem,) = check_store(path)
    assert str(path) in problem


def test_a_link_to_another_file_is_not_followed(path: Path, tmp_path: Path):
    path.rename(tmp_path / "other.h5")
    with h5py.File(path, "w", userblock_size=BLOCK_BYTES) as file:
        file["codes"] = h5py.ExternalLink("other.h5", "/codes")
    rewritten(path, [])
    (problem,) = check_store(path)
    assert "codes is no column" in problem


def test_a_foreign_or_missing_file_is_named(tmp_path: Path):
    (tmp_path / "text.h5").write_text("text")
    for name in ("text.h5", "none.h5"):
        (problem,) = check_store(tmp_path / name)
        assert name in problem


def test_the_command_names_damage_and_tells_it_by_its_status(path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: nothing is wrong\n"
    flip(path, place(path, "codes", 3))
    assert main([str(path), str(path)]) == 1
    assert "utterance g/a/0 (row 0) cannot be used" in capsys.readouterr().out
    assert main([]) == 2
