"""How a store lies in HDF5. Two columns are ragged: row i of `codes` is `codes[offsets[i]:offsets[i + 1]]`.

    codes           int16  [sum of T, Q]     codes_offsets   int64 [n + 1]
    texts           uint8  [bytes], UTF-8    texts_offsets   int64 [3 n + 1], id, text and phonemes of each row
    checksums       uint32 [n, 2], CRC-32 of the codes, and of the three texts together
    speaker         int32  [n], an index into the attribute `speakers`
    language        int16  [n], an index into the attribute `languages`
    split           int8   [n], an index into the attribute `splits`
    fingerprint     uint64 [n], what the utterance was made from; preparation recognises finished work by it
    phoneme_bytes   int32  [n], how long the phonemes are

Attributes: format, version, codec (JSON of CodecIdentity), frame_rate, levels, utterances, hours,
speakers, languages and splits (JSON lists).

Several such files, the shards, are one store through an index: a file of the columns codes_offsets (counted through all
shards), speaker, language, split, fingerprint and phoneme_bytes of all rows, and the further attribute `shards`, a JSON
list of {path, utterances, content}. Paths are relative to the index, `content` is the CRC-32 of a
shard's fingerprints.

Version 2 is a `column_file`. Version 1 had chunked, compressed datasets, `id`, `text` and `phonemes` with offsets each
in place of `texts`, and no checksums of rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vall_e.audio.codec import CodecIdentity

FORMAT = "vall_e"
VERSION = 2
CHUNKED_VERSION = 1
CONTENT_VERSION = 1
"""Part of a fingerprint: utterances of another one must be made again, whereas layouts may change."""

TEXTS = ("id", "text", "phonemes")
SMALL_COLUMNS = {"speaker": "int32", "language": "int16", "split": "int8", "fingerprint": "uint64"}
INDEX_COLUMNS = {"codes_offsets": "int64", **SMALL_COLUMNS, "phoneme_bytes": "int32"}


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of the files behind an index."""

    path: str
    utterances: int
    content: int


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """What a store says of itself; reading it costs the same for any size."""

    codec: CodecIdentity
    utterances: int
    hours: float
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    splits: tuple[str, ...]
    shards: tuple[Shard, ...] = ()


def read_info(attributes: Mapping[str, Any]) -> StoreInfo:
    """The info that attributes hold. KeyError, TypeError or ValueError if one is missing or unreadable."""
    return StoreInfo(
        codec=CodecIdentity(**json.loads(attributes["codec"])),
        utterances=int(attributes["utterances"]),
        hours=float(attributes["hours"]),
        speakers=tuple(json.loads(attributes["speakers"])),
        languages=tuple(json.loads(attributes["languages"])),
        splits=tuple(json.loads(attributes["splits"])),
        shards=tuple(Shard(**shard) for shard in json.loads(attributes.get("shards", "[]"))),
    )


def attributes_of(info: StoreInfo) -> dict[str, Any]:
    """The attributes that hold `info`."""
    shards = {"shards": json.dumps([asdict(shard) for shard in info.shards])} if info.shards else {}
    return shards | {
        "format": FORMAT,
        "version": VERSION,
        "codec": json.dumps(asdict(info.codec)),
        "frame_rate": info.codec.frame_rate,
        "levels": info.codec.levels,
        "utterances": info.utterances,
        "hours": info.hours,
        "speakers": _json_list(info.speakers),
        "languages": _json_list(info.languages),
        "splits": _json_list(info.splits),
    }


def _json_list(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)
