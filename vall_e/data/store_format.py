"""How a store lies in HDF5. Columns are ragged: rows i of `codes` are `codes[offsets[i]:offsets[i + 1]]`.

    codes          int16  [sum of T, Q]     codes_offsets     int64 [n + 1]
    id             uint8  [bytes], UTF-8    id_offsets        int64 [n + 1]
    text           uint8  [bytes], UTF-8    text_offsets      int64 [n + 1]
    phonemes       uint8  [bytes], UTF-8    phonemes_offsets  int64 [n + 1]
    speaker        int32  [n], an index into the attribute `speakers`
    language       int16  [n], an index into the attribute `languages`
    split          int8   [n], an index into the attribute `splits`
    fingerprint    uint64 [n], what the utterance was made from; preparation recognises finished work by it

Attributes: format, version, codec (JSON of CodecIdentity), frame_rate, levels, utterances, hours,
speakers, languages and splits (JSON lists).
"""

from __future__ import annotations

from dataclasses import dataclass

from vall_e.audio.codec import CodecIdentity

FORMAT = "vall_e"
VERSION = 1

RAGGED_TEXT = ("id", "text", "phonemes")
SMALL_COLUMNS = {"speaker": "int32", "language": "int16", "split": "int8", "fingerprint": "uint64"}

# Short chunks: a read of one utterance decompresses little that it does not want.
CHUNK_FRAMES = 256
CHUNK_BYTES = 16_384
CHUNK_ROWS = 1_024


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """What a store says of itself; reading it costs the same for any size."""

    codec: CodecIdentity
    utterances: int
    hours: float
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    splits: tuple[str, ...]
