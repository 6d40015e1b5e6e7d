"""Finding damage in a store before a run does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from vall_e.errors import DataError

from .open_shards import open_shard
from .similar_file import SimilarFile, similar_path
from .store_file import StoreFile
from .store_format import Shard

NAMED_ROWS = 20
"""Damaged utterances that are named one by one, the others are counted."""


def check_store(path: Path) -> list[str]:
    """What is wrong with a store, its shards and its similar utterances, a sentence each; [] if nothing is.

    Everything is read: all bytes of a file of version 2 have a checksum, of version 1 the codes and texts alone.
    """
    return list(_problems(Path(path)))


def _problems(path: Path) -> Iterator[str]:
    try:
        file = StoreFile(path)
    except DataError as error:
        yield str(error)
        return
    with closing(file):
        if file.info.shards:
            yield from (f"{path}: {name} is damaged" for name in file.damaged_columns())
            yield from (problem for shard in file.info.shards for problem in _shard_problems(path, shard))
        else:
            yield from _damage(file)
        if similar_path(path).exists():
            yield from _similar_problems(path, file)


def _damage(file: StoreFile) -> Iterator[str]:
    columns = file.damaged_columns()
    yield from (f"{file.path}: {name} is damaged" for name in columns)
    if not columns and file.verifies:
        return
    damaged = [row for row in range(file.info.utterances) if not _reads(file, row)]
    yield from (f"{file.path}: {_name(file, row)} cannot be used" for row in damaged[:NAMED_ROWS])
    if len(damaged) > NAMED_ROWS:
        yield f"{file.path}: {len(damaged)} of {file.info.utterances} utterances cannot be used in all"


def _shard_problems(index: Path, shard: Shard) -> Iterator[str]:
    try:
        open_shard(index, shard).close()
    except DataError as error:
        yield str(error)
        return
    yield from _problems(index.parent / shard.path)


def _similar_problems(path: Path, file: StoreFile) -> Iterator[str]:
    try:
        with closing(SimilarFile(path, file.content_crc32)) as similar:
            yield from (f"{similar.path}: {name} is damaged" for name in similar.damaged_columns())
    except DataError as error:
        yield str(error)


def _reads(file: StoreFile, row: int) -> bool:
    try:
        file.utterance(row)
    except DataError:
        return False
    return True


def _name(file: StoreFile, row: int) -> str:
    try:
        return f"utterance {file.texts(row)[0]} (row {row})"
    except DataError:
        return f"the utterance of row {row}"


def main(arguments: Sequence[str]) -> int:
    """`python -m vall_e.data check PATH ...`: print what is wrong. Exit status 1 if anything is."""
    if not arguments:
        print("usage: python -m vall_e.data check PATH ...", file=sys.stderr)
        return 2
    found = {path: check_store(Path(path)) for path in arguments}
    for path, problems in found.items():
        print("\n".join(problems) if problems else f"{path}: nothing is wrong")
    return int(any(found.values()))
