"""Files and folders that are complete or not there."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".writing"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file of the same suffix to write to; it takes the place of `path` if the block ends without an error.

    Folders are made. Readers see the old content or the new, never a part. What killed processes left of writing the
    same file is removed.
    """
    with _own_folder(path) as folder:
        partial = folder / f"partial{path.suffix}"  # a name that nobody looks for
        yield partial
        _open_to_others(partial, folder)
        sync(partial)
        os.replace(partial, path)


def replace_text(path: Path, text: str) -> None:
    """Make `text` the content of `path`, in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def why_unwritable(path: Path) -> str:
    """What keeps a file from being written at `path`; empty if nothing does. Nothing is left of the attempt."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir():
        return f"{path} is a folder"
    if not folder.is_dir():
        return f"{folder} is no folder"
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=folder):
            return ""
    except OSError as error:
        return f"in {folder}: {error.strerror}"


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to write to; it takes the place of `folder` when the block ends without error.

    Readers never see a part. The former content is kept aside, as `.NAME.outdated`, until the new one stands. What
    killed processes left of writing the same folder is removed.
    """
    with _own_folder(folder) as own:
        partial = own / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        for path in (*partial.iterdir(), partial):
            _open_to_others(path, own)
            sync(path)
        replace_folder(partial, folder)


@contextmanager
def _own_folder(target: Path) -> Iterator[Path]:
    """The folder `.NAME.PROCESS` beside a target, which goes when the block ends: libraries, too, leave their temporary
    files there when they are killed. As long as its writer lives, `LOCK` in it is locked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    before = f".{target.name}."
    for path in list(target.parent.iterdir()):
        if path.name.startswith(before) and path.name[len(before) :].isdecimal():
            _remove_if_left(path)
    folder = target.with_name(f"{before}{os.getpid()}")
    lock = _locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _open_to_others(path: Path, folder: Path) -> None:
    """Let a file be read by those who may read what this process makes: safetensors lets its owner alone."""
    if path.is_file():
        path.chmod(stat.S_IMODE((folder / LOCK).stat().st_mode))


def _remove_if_left(folder: Path) -> None:
    # An error says that its writer lives, has just ended, or is not known to be gone, as nothing can be locked there.
    with suppress(OSError):
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(folder / LOCK, lock):
                shutil.rmtree(folder)
        finally:
            os.close(lock)


def _locked(folder: Path) -> int:
    """Make a folder and lock it; waits for another thread that writes the same."""
    while True:
        # Another thread that ends may remove the folder at any of these points.
        with suppress(FileExistsError):
            folder.mkdir()
        with suppress(FileNotFoundError):
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(folder / LOCK, lock):
                return lock
            os.close(lock)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a file is still there, and has not been removed while it was waited for."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def replace_folder(partial: Path, final: Path) -> None:
    """Rename; a folder of the same name is kept aside until the new one stands."""
    outdated = final.with_name(f".{final.name}.outdated")
    shutil.rmtree(outdated, ignore_errors=True)
    if final.exists():
        os.replace(final, outdated)
    os.replace(partial, final)
    sync(final.parent)
    shutil.rmtree(outdated, ignore_errors=True)


def sync(path: Path) -> None:
    """Make sure a file or a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
