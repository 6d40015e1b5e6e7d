"""Checkpoint folders that are whole, damaged, half-written or gone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vall_e.engines.checkpoint import (
    COUNTERS,
    LATEST,
    MANIFEST,
    STATES,
    WEIGHTS,
    damage,
    find_checkpoint,
    load_states,
    remove_oldest,
    save_checkpoint,
)
from vall_e.errors import CheckpointError


def save(root: Path, tag: str, step: int = 0) -> Path:
    states = {"moment": torch.arange(5.0)}
    return save_checkpoint(root, tag, lambda path: (path.write_bytes(b"weights"), None)[1], states, {"step": step})


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def not_json(path: Path) -> None:
    path.write_text("[]")


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    folder = save(tmp_path, "7", 7)
    tensors, counters = load_states(folder)
    assert torch.equal(tensors["moment"], torch.arange(5.0)) and counters == {"step": 7}
    assert damage(folder) is None and find_checkpoint(tmp_path, None) == folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7", LATEST]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        (WEIGHTS, flip),
        (STATES, flip),
        (STATES, truncate),
        (COUNTERS, flip),
        (COUNTERS, Path.unlink),
        (MANIFEST, Path.unlink),
        (MANIFEST, truncate),
        (MANIFEST, not_json),
    ],
)
def test_damage_is_told_and_the_checkpoint_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, spoil: Callable[[Path], None]
) -> None:
    for step in (1, 2, 3):
        save(tmp_path, str(step))
    spoil(tmp_path / "3" / name)
    with caplog.at_level(logging.WARNING):
        assert find_checkpoint(tmp_path, None) == tmp_path / "2"
    assert f"{tmp_path / '3'} is damaged" in caplog.text


def test_a_tag_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "1")
    assert find_checkpoint(tmp_path, "1") == tmp_path / "1"
    with pytest.raises(CheckpointError, match=r"trainer\.load_tag=5: .*no such folder"):
        find_checkpoint(tmp_path, "5")
    flip(tmp_path / "1" / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"load_tag=1: .*weights\.safetensors is not what its manifest says"):
        find_checkpoint(tmp_path, "1")


def test_a_folder_with_damaged_checkpoints_alone_is_refused(tmp_path: Path) -> None:
    for tag in ("1", "2"):
        flip(save(tmp_path, tag) / STATES)
    with pytest.raises(CheckpointError, match=r"every checkpoint below .* is damaged"):
        find_checkpoint(tmp_path, None)


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "new", None) is None
    assert find_checkpoint(tmp_path, None) is None


def test_latest_decides_also_after_a_copy_that_mixed_the_times(tmp_path: Path) -> None:
    for tag in ("1", "2", "3"):
        save(tmp_path, tag)
    os.utime(tmp_path / "3", ns=(0, 0))
    assert find_checkpoint(tmp_path, None) == tmp_path / "3"
    remove_oldest(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["3"]


def test_without_latest_the_newest_is_used(tmp_path: Path) -> None:
    for tag in ("10", "9"):
        save(tmp_path, tag)
    (tmp_path / LATEST).unlink()
    assert find_checkpoint(tmp_path, None) == tmp_path / "9"


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    before = save(tmp_path, "mine", 1)

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path, "mine", fail, {}, {})
    assert not (tmp_path / ".mine.partial").exists(), "half of a checkpoint would fill the disk all the more"
    assert find_checkpoint(tmp_path, None) == before and load_states(before)[1] == {"step": 1}
    assert save(tmp_path, "mine", 2) == before and load_states(before)[1] == {"step": 2}
    assert not (tmp_path / ".mine.partial").exists()


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    save(tmp_path, "mine", 1)
    (tmp_path / "mine").rename(tmp_path / ".mine.outdated")
    (tmp_path / ".mine.partial").mkdir()
    found = find_checkpoint(tmp_path, None)
    assert found == tmp_path / "mine" and load_states(found)[1] == {"step": 1}


def test_a_kill_after_the_two_renames_leaves_nothing_behind(tmp_path: Path) -> None:
    save(tmp_path, "mine", 1)
    save(tmp_path, "old", 1)
    (tmp_path / "old").rename(tmp_path / ".mine.outdated")
    assert find_checkpoint(tmp_path, "mine") == tmp_path / "mine" and not (tmp_path / ".mine.outdated").exists()


def test_a_kill_between_the_two_renames_loses_no_tag(tmp_path: Path) -> None:
    save(tmp_path, "mine", 1).rename(tmp_path / ".mine.outdated")
    assert find_checkpoint(tmp_path, "mine") == tmp_path / "mine"


def test_half_a_checkpoint_of_a_killed_run_is_removed_at_the_next_save(tmp_path: Path) -> None:
    (tmp_path / ".5.partial").mkdir()
    save(tmp_path, "6")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["6", LATEST]


@pytest.mark.parametrize(("keep", "left"), [(0, ["1", "2", "3"]), (2, ["2", "3"]), (5, ["1", "2", "3"])])
def test_the_newest_are_kept(tmp_path: Path, keep: int, left: list[str]) -> None:
    for tag in ("1", "2", "3"):
        save(tmp_path, tag)
    remove_oldest(tmp_path, keep)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == left
