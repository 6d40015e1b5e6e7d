"""How a store lies in HDF5. Columns are ragged: rows i of `codes` are `codes[offsets[i]:offsets[i + 1]]`.

    codes          int16  [sum of T, Q]     codes_offsets     int64 [n + 1]
    id             uint8  [bytes], UTF-8    id_offsets        int64 [n + 1]
    text           uint8  [bytes], UTF-8    text_offsets      int64 [n + 1]
    phonemes       uint8  [bytes], UTF-8    phonemes_offsets  int64 [n + 1]
    speaker        int32  [n], an index into the attribute `speakers`
    language       int16  [n], an index into the attribute `languages`
    split          int8   [n], an index into the attribute `splits`
    fingerprint    uint64 [n], what the utterance was made from; preparation recognises finished work by it
    codes_crc32    uint32 [n], CRC-32 of the codes of a row
    texts_crc32    uint32 [n], CRC-32 of its id, text and phonemes, one after another

Attributes: format, version, codec (JSON of CodecIdentity), frame_rate, levels, utterances, hours,
speakers, languages and splits (JSON lists).

Several such files, the shards, are one store through an index: a file of the columns codes_offsets and phonemes_offsets
(counted through all shards), speaker, language, split and fingerprint of all rows, and the further attribute `shards`,
a JSON list of {path, utterances, content}. Paths are relative to the index, `content` is the CRC-32 of a
shard's fingerprints.

Version 2 is a `column_file`. Version 1 had chunked, compressed datasets of the same names, without checksums of rows.
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

RAGGED_TEXT = ("id", "text", "phonemes")
SMALL_COLUMNS = {"speaker": "int32", "language": "int16", "split": "int8", "fingerprint": "uint64"}
CHECKSUMS = ("codes_crc32", "texts_crc32")


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
