"""The shards of an index that a process has open."""

from __future__ import annotations

import resource
from collections import OrderedDict
from pathlib import Path

from vall_e.errors import DataError

from .store_file import StoreFile
from .store_format import Shard

MOST_OPEN_SHARDS = 4096


class OpenShards:
    """Opens a shard when it is read first; of too many, the one that was read least recently is closed."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._files: OrderedDict[int, StoreFile] = OrderedDict()
        self._verified: dict[int, tuple[int, ...]] = {}

    def file(self, number: int, shard: Shard) -> StoreFile:
        """The file of a shard; DataError if it is not the one that was put into the index."""
        if number not in self._files:
            while len(self._files) >= open_limit():
                self._files.popitem(last=False)[1].close()
            self._files[number] = self._opened(number, shard)
        self._files.move_to_end(number)
        return self._files[number]

    def close(self) -> None:
        """Close all of them."""
        while self._files:
            self._files.popitem()[1].close()

    def _opened(self, number: int, shard: Shard) -> StoreFile:
        """The content is compared again only if it is another file by now: that reads all fingerprints."""
        path = self._index.parent / shard.path
        seen = _stamp(path)
        if seen and self._verified.get(number) == seen:
            return StoreFile(path)
        file = open_shard(self._index, shard)
        self._verified[number] = seen
        return file


def open_shard(index: Path, shard: Shard) -> StoreFile:
    """The file of a shard; DataError if it is not the one that was put into the index."""
    file = StoreFile(index.parent / shard.path)
    if (file.info.utterances, file.content_crc32) != (shard.utterances, shard.content):
        file.close()
        raise DataError(f"{file.path} has changed since it was put into {index}: join the shards again")
    return file


def open_limit() -> int:
    """Shards that stay open: half of the files that a process may have open, at most `MOST_OPEN_SHARDS`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_OPEN_SHARDS if soft == resource.RLIM_INFINITY else soft // 2
    return max(1, min(MOST_OPEN_SHARDS, allowed))


def _stamp(path: Path) -> tuple[int, ...]:
    """Tells that a file is still the one that it was; () if it cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
