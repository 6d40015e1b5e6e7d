"""Files and folders that are complete or not there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to; it takes the place of `path` when the block ends without an error.

    Folders are made. Readers see the old content or the new, never a part. What killed processes left of writing the
    same file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, f".{path.stem}.", path.suffix)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with _claimed(partial, is_folder=False):
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def replace_text(path: Path, text: str) -> None:
    """Make `text` the content of `path`, in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` to write to; it takes the place of `folder` when the block ends without error.

    Readers never see a part. The former content is kept aside, as `.NAME.outdated`, until the new one stands. What
    killed processes left of writing the same folder is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent, f".{folder.name}.")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    with _claimed(partial, is_folder=True):
        try:
            yield partial
            for path in (*partial.iterdir(), partial):
                sync(path)
            replace_folder(partial, folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def remove_leftovers(folder: Path, before: str, behind: str = "") -> None:
    """Remove temporary files and folders called `before`, the number of a process and `behind` whose writer is gone."""
    for name in [path.name for path in folder.iterdir()]:
        number = name[len(before) : len(name) - len(behind)]
        if name == f"{before}{number}{behind}" and number.isdecimal():
            _remove_if_left(folder / name)


def _remove_if_left(partial: Path) -> None:
    # An error says that its writer lives, has just ended, or is not known to be gone, as nothing can be locked there.
    with suppress(OSError):
        descriptor = os.open(partial, os.O_RDONLY if partial.is_dir() else os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(partial, descriptor):
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
        finally:
            os.close(descriptor)


@contextmanager
def _claimed(partial: Path, is_folder: bool) -> Iterator[None]:
    """Make a temporary file or folder, and keep it locked: no process takes one for left whose writer lives."""
    descriptor = _locked(partial, is_folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(partial: Path, is_folder: bool) -> int:
    while True:
        partial.mkdir(exist_ok=True) if is_folder else partial.touch()
        with suppress(FileNotFoundError):
            descriptor = os.open(partial, os.O_RDONLY if is_folder else os.O_RDWR)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(partial, descriptor):
                return descriptor
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a file is still there, and has not been removed or renamed while it was waited for."""
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
