"""A dataset in several files of like size, joined by an index: a file that has not changed is not written again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vall_e.audio.codec import CodecIdentity
from vall_e.data.store.shards import join_shards
from vall_e.data.store.store import Store

from .finished import FinishedWork
from .journal import key_of
from .pack import pack
from .phonemes import UnknownSymbols


def pack_files(
    path: Path,
    kept: Sequence[int],
    each: int,
    finished: FinishedWork,
    codec: CodecIdentity,
    scratch: Path,
    symbols: UnknownSymbols | None,
) -> None:
    """Write the utterances of fingerprints `kept`, `each` to a file in `path`.shards, and make `path` their index.

    The files are named by what they hold.
    """
    folder = _folder(path)
    files = []
    for start in range(0, len(kept), each):
        some = kept[start : start + each]
        files.append(folder / f"{key_of('shard', list(some))}.h5")
        if not files[-1].exists():
            pack(files[-1], some, finished, codec, scratch, symbols)
        elif symbols is not None:
            symbols.look_through(files[-1])
    join_shards(path, files)


def remove_outdated(path: Path) -> None:
    """Remove the files in `path`.shards that `path` does not refer to: those of an earlier state."""
    with Store(path) as store:
        current = {(path.parent / shard.path).resolve() for shard in store.info.shards}
    folder = _folder(path)
    for old in folder.glob("*.h5"):
        if old.resolve() not in current:
            old.unlink()
    if not current and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.shards")
