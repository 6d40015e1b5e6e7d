"""Step 4: codes of every piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

import numpy as np

from vall_e.audio.codec import CodecIdentity
from vall_e.audio.read import read_audio
from vall_e.data.recipes.audio_source import CodesSource
from vall_e.data.utterance import Utterance
from vall_e.errors import AudioError, DataError

from .piece import Dropped, Piece
from .read_ahead import read_ahead
from .wave_encoder import Codes, Wave, WaveEncoder

Spoken = tuple[Piece, str]
"""A piece and its phonemes."""

Read = tuple[Spoken, Wave | Codes | Dropped]

BATCHES_AHEAD = 4
"""Batches whose clips are sorted by length together."""


def encode_pieces(
    pieces: Sequence[Spoken], encoder: WaveEncoder, seconds: Sequence[float], workers: int
) -> Iterator[Utterance | Dropped]:
    """The utterance of every piece and its phonemes, in order; `Dropped` for one whose audio cannot be used, or that
    lasts shorter or longer than `seconds` says. Audio is read in threads, `workers` at once."""
    shortest, longest = seconds

    def read(item: Spoken) -> Wave | Codes | Dropped:
        try:
            found = _read(item[0], encoder.identity, longest)
        except (AudioError, DataError) as error:
            return Dropped(item[0].id, str(error))
        return _too_short(item[0], found, encoder.identity, shortest) or found

    for some in _groups(read_ahead(pieces, read, workers), BATCHES_AHEAD * encoder.seconds, encoder.identity):
        yield from _utterances(some, encoder)


def _groups(found: Iterable[Read], seconds: float, codec: CodecIdentity) -> Iterator[list[Read]]:
    """Runs of what is read that hold `seconds` of sound, or one each."""
    group: list[Read] = []
    samples = 0
    for one in found:
        group.append(one)
        samples += len(one[1]) if _is_sound(one[1]) else 0
        if samples >= seconds * codec.sample_rate:
            yield group
            group, samples = [], 0
    if group:
        yield group


def _is_sound(found: Wave | Codes | Dropped) -> TypeGuard[Wave]:
    return not isinstance(found, Dropped) and found.dtype == np.float32


def _utterances(some: Sequence[Read], encoder: WaveEncoder) -> Iterator[Utterance | Dropped]:
    made = iter(encoder.encode([found for _, found in some if _is_sound(found)]))
    for (piece, phonemes), found in some:
        codes = next(made) if _is_sound(found) else found
        if isinstance(codes, AudioError):
            yield Dropped(piece.id, f"{piece.audio.name}: {codes}")
        elif isinstance(codes, Dropped):
            yield codes
        else:
            yield _utterance(piece, phonemes, codes)  # type: ignore[arg-type]


def _read(piece: Piece, codec: CodecIdentity, longest: float) -> Wave | Codes:
    """Sound, or codes that were made already."""
    if not isinstance(piece.audio, CodesSource):
        return read_audio(piece.audio.open(), codec.sample_rate, span=piece.span, longest=longest)
    codes = piece.audio.codes()
    if codes.ndim != 2 or codes.shape[1] != codec.levels or not len(codes):
        raise DataError(f"{piece.audio.name}: holds codes {list(codes.shape)}, {codec.name} has {codec.levels} levels")
    if codes.min() < 0 or codes.max() >= codec.codebook_size:
        raise DataError(f"{piece.audio.name}: holds the code {codes.max()}, allowed: below {codec.codebook_size}")
    return codes


def _too_short(piece: Piece, found: Wave | Codes, codec: CodecIdentity, shortest: float) -> Dropped | None:
    rate = codec.sample_rate if _is_sound(found) else codec.frame_rate
    if len(found) >= shortest * rate:
        return None
    reason = f"{piece.audio.name}: lasts {len(found) / rate:.2f} s, allowed: {shortest:g} s at least"
    return Dropped(piece.id, reason)


def _utterance(piece: Piece, phonemes: str, codes: Codes) -> Utterance:
    return Utterance(
        id=piece.id,
        speaker=piece.speaker,
        split=piece.split,
        language=piece.language,
        text=piece.text,
        phonemes=phonemes,
        codes=codes,
    )
