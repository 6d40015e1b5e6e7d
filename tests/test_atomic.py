"""Files and folders that are written as a whole, and what killed writers leave of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vall_e.atomic import replace_text, replacing, replacing_folder, why_unwritable

WRITER = """
import sys
from pathlib import Path
from vall_e.atomic import replacing, replacing_folder
writing = replacing_folder if sys.argv[2] == "folder" else replacing
with writing(Path(sys.argv[1])) as partial:
    (partial / "a.txt" if partial.is_dir() else partial).write_text("half")
    if sys.argv[2] == "library":  # as that of safetensors, which writes to a file of its own and renames it
        partial.unlink()
        (partial.parent / ".tmpx9Fk2").write_text("half")
    print(partial.parent.name, flush=True)
    sys.stdin.read()
    if sys.argv[2] == "library":
        (partial.parent / ".tmpx9Fk2").rename(partial)
"""


@pytest.fixture(params=["file", "folder", "library"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def writer(tmp_path: Path, kind: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that is writing `target.bin`, and what it has written so far."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "target.bin"), kind]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    partial = tmp_path / process.stdout.readline().strip()
    assert partial.exists() and partial != tmp_path
    yield process, partial
    process.kill()
    process.communicate()


def write(target: Path, kind: str) -> None:
    if kind != "folder":
        replace_text(target, "whole")
        return
    with replacing_folder(target) as partial:
        (partial / "a.txt").write_text("whole")


def written(target: Path) -> str:
    return (target / "a.txt" if target.is_dir() else target).read_text()


def test_what_a_killed_writer_left_is_removed_by_the_next_one(
    tmp_path: Path, kind: str, writer: tuple[subprocess.Popen[str], Path]
):
    process, partial = writer
    others = {tmp_path / f".target.txt.{os.getpid()}", tmp_path / ".target.bin.old", tmp_path / ".other.bin.1"}
    for path in others:
        path.write_text("of others")
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert partial.exists()
    write(tmp_path / "target.bin", kind)
    assert set(tmp_path.iterdir()) == {tmp_path / "target.bin", *others}
    assert written(tmp_path / "target.bin") == "whole"


def test_what_a_living_process_writes_stays_and_takes_its_place(
    tmp_path: Path, kind: str, writer: tuple[subprocess.Popen[str], Path]
):
    process, partial = writer
    write(tmp_path / "target.bin", kind)
    assert partial.exists() and written(tmp_path / "target.bin") == "whole"
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "target.bin"] and written(tmp_path / "target.bin") == "half"


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path):
    replace_text(tmp_path / "a.txt", "old")
    with pytest.raises(FileNotFoundError, match="gone"), replacing(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise FileNotFoundError("gone")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_threads_that_write_the_same_file_take_turns(tmp_path: Path):
    texts = [f"{number}" * 10_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: replace_text(tmp_path / "a.txt", text), texts * 10))
    assert (tmp_path / "a.txt").read_text() in texts
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path: Path, umask: int):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a.safetensors") as partial:
            save_file({"x": torch.ones(1)}, partial)
        with replacing_folder(tmp_path / "b") as folder:
            save_file({"x": torch.ones(1)}, folder / "a.safetensors")
    finally:
        os.umask(before)
    for path in (tmp_path / "a.safetensors", tmp_path / "b/a.safetensors"):
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_cannot_be_written_is_known_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_unwritable(tmp_path / "new/folder/a.wav") == why_unwritable(tmp_path / "file") == ""
    assert why_unwritable(tmp_path) == f"{tmp_path} is a folder"
    assert why_unwritable(tmp_path / "file/new/a.wav") == f"{tmp_path / 'file'} is no folder"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no folder that nobody can write to")
def test_a_folder_that_takes_no_files_is_named() -> None:
    assert why_unwritable(Path("/proc/new/a.wav")).startswith("in /proc: ")
