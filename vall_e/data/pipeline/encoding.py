"""Step 4: codes of every piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from vall_e.audio.codec import Codec, CodecIdentity
from vall_e.audio.read import read_audio
from vall_e.data.recipes.audio_source import CodesSource
from vall_e.data.utterance import Utterance
from vall_e.errors import AudioError, DataError

from .piece import Dropped, Piece
from .read_ahead import read_ahead

Codes = npt.NDArray[np.int16]
Wave = npt.NDArray[np.float32]


def encode_pieces(
    pieces: Sequence[tuple[Piece, str]], codec: Codec, seconds: Sequence[float], workers: int
) -> Iterator[Utterance | Dropped]:
    """The utterance of every piece and its phonemes, in order; `Dropped` for one whose audio cannot be used, or that
    lasts shorter or longer than `seconds` says. Audio is read in threads, `workers` at once."""
    shortest, longest = seconds

    def read(item: tuple[Piece, str]) -> Wave | Codes | Dropped:
        try:
            return _read(item[0], codec.identity, longest)
        except (AudioError, DataError) as error:
            return Dropped(item[0].id, str(error))

    for (piece, phonemes), found in read_ahead(pieces, read, workers):
        yield found if isinstance(found, Dropped) else _utterance(piece, phonemes, found, codec, shortest)


def encode_wave(wave: Wave, codec: Codec) -> Codes:
    """Codes int16 [T, Q] of a waveform float32 [N]; AudioError if it is empty, too short or not of finite numbers."""
    if not np.isfinite(wave).all():
        raise AudioError("the audio holds samples that are not finite numbers")
    # Shorter than a frame, it has nothing to encode; codecs differ in how they would fail.
    if len(wave) < codec.identity.sample_rate / codec.identity.frame_rate:
        raise AudioError(f"the audio is too short: {len(wave)} samples, less than one code frame")
    with torch.inference_mode():
        return codec.encode(torch.from_numpy(wave)).cpu().numpy().astype(np.int16, copy=False)


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


def _utterance(piece: Piece, phonemes: str, found: Wave | Codes, codec: Codec, shortest: float) -> Utterance | Dropped:
    is_codes = found.dtype == np.int16
    rate = codec.identity.frame_rate if is_codes else codec.identity.sample_rate
    if len(found) < shortest * rate:
        return Dropped(
            piece.id, f"{piece.audio.name}: lasts {len(found) / rate:.2f} s, allowed: {shortest:g} s at least"
        )
    try:
        codes = found if is_codes else encode_wave(found, codec)  # type: ignore[arg-type]
    except AudioError as error:
        return Dropped(piece.id, f"{piece.audio.name}: {error}")
    return Utterance(
        id=piece.id,
        speaker=piece.speaker,
        split=piece.split,
        language=piece.language,
        text=piece.text,
        phonemes=phonemes,
        codes=codes,  # type: ignore[arg-type]
    )
