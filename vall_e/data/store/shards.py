"""Several stores as one: an index that holds what selecting and sampling need, and says where the rest lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vall_e.data.utterance import SPLITS
from vall_e.errors import DataError

from .column_writer import ColumnFileWriter, RowKind, writing_columns
from .store_file import StoreFile
from .store_format import INDEX_COLUMNS, Shard, StoreInfo, attributes_of

KINDS: dict[str, RowKind] = {name: (dtype, ()) for name, dtype in INDEX_COLUMNS.items()}


def join_shards(index: Path, shards: Sequence[Path]) -> StoreInfo:
    """Make `index` the store of all rows of `shards`, in order; an index among them stands for its own shards.

    So `join_shards(index, [index, new])` appends. The old index serves readers until the new one is complete. DataError
    if there are no shards, if one is named twice, or if their codecs differ.
    """
    paths = list(_flat(shards))
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise DataError(f"{twice} would be twice in {index}: name every shard once")
    if index.resolve() in paths:
        raise DataError(f"{index} is a shard itself: name the index otherwise")
    infos, contents = [], []
    for path in paths:
        with closing(StoreFile(path)) as file:
            infos.append(file.info)
            contents.append(file.content_crc32)
    info = _joined(index, paths, infos, contents)
    with writing_columns(index, KINDS) as writer:
        ends = np.zeros(1, np.int64)
        writer.columns["codes_offsets"].extend(ends)
        for path in paths:
            with closing(StoreFile(path)) as file:
                ends = ends[-1] + file.whole("codes_offsets")
                writer.columns["codes_offsets"].extend(ends[1:])
                _append(writer, file, info)
        writer.commit(attributes_of(info))
    return info


def _flat(shards: Sequence[Path]) -> Iterator[Path]:
    for path in shards:
        with closing(StoreFile(path)) as file:
            within = file.info.shards
        yield from ((path.parent / shard.path).resolve() for shard in within) if within else [path.resolve()]


def _joined(index: Path, paths: Sequence[Path], infos: Sequence[StoreInfo], contents: Sequence[int]) -> StoreInfo:
    if not infos:
        raise DataError(f"{index} would have no shards: name at least one")
    # Imported codes do not tell the weights that they are of: they join those of any.
    first = next((number for number, info in enumerate(infos) if info.codec.digest), 0)
    for path, info in zip(paths, infos, strict=True):
        if not info.codec.agrees(infos[first].codec):
            here, there = (f"{codec.name} ({codec.digest})" for codec in (info.codec, infos[first].codec))
            other = paths[first]
            raise DataError(f"{path} holds codes of the codec {here}, {other} those of {there}: they do not join")
    folder = index.parent.resolve()
    of = zip(paths, infos, contents, strict=True)
    return StoreInfo(
        codec=infos[first].codec,
        utterances=sum(info.utterances for info in infos),
        hours=sum(info.hours for info in infos),
        speakers=tuple(dict.fromkeys(name for info in infos for name in info.speakers)),
        languages=tuple(dict.fromkeys(name for info in infos for name in info.languages)),
        splits=SPLITS,
        shards=tuple(Shard(path=os.path.relpath(p, folder), utterances=i.utterances, content=c) for p, i, c in of),
    )


def _append(writer: ColumnFileWriter, file: StoreFile, info: StoreInfo) -> None:
    """Add the rows of a shard to the small columns of the index."""
    for name, ours, theirs in (
        ("speaker", info.speakers, file.info.speakers),
        ("language", info.languages, file.info.languages),
        ("split", info.splits, file.info.splits),
    ):
        writer.columns[name].extend(_renumbered(file.whole(name), ours, theirs))
    writer.columns["fingerprint"].extend(file.whole("fingerprint"))
    writer.columns["phoneme_bytes"].extend(file.phoneme_bytes())


def _renumbered(numbers: npt.NDArray[np.int64], ours: Sequence[str], theirs: Sequence[str]) -> npt.NDArray[np.int64]:
    """`numbers` [n] into the names `theirs` as numbers into `ours`."""
    place = {name: number for number, name in enumerate(ours)}
    return np.array([place[name] for name in theirs], np.int64)[numbers]
