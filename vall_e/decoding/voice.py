"""Voices: the prompt that speech imitates, from a recording or from a file in which one is kept ready.

A voice file is safetensors with the tensor `codes`, int16 [P, Q], and in its metadata the codec that they are of.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vall_e.atomic import replacing
from vall_e.audio.codec import Codec, CodecIdentity
from vall_e.audio.read import read_audio
from vall_e.data.pipeline.wave_encoder import encode_wave
from vall_e.errors import AudioError

FORMAT = "vall_e-voice"
SUFFIX = ".safetensors"


def read_voice(path: Path, codec: Codec, seconds: float) -> Tensor:
    """Codes int16 [P, Q] of a recording or of a voice file, of at most so many seconds; 0 takes all of it.

    AudioError for a file that is neither, lasts less than a frame or holds what is no number.
    """
    if path.suffix == SUFFIX:
        return shortened(load_voice(path, codec.identity), codec.identity, seconds)
    wave = read_audio(path, codec.identity.sample_rate)
    longest = int(seconds * codec.identity.sample_rate)
    try:
        return torch.from_numpy(encode_wave(wave[:longest] if longest else wave, codec))
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error


def shortened(codes: Tensor, codec: CodecIdentity, seconds: float) -> Tensor:
    """The first so many seconds of codes [P, Q]; 0 takes all."""
    frames = int(seconds * codec.frame_rate)
    return codes[:frames] if frames else codes


def save_voice(path: Path, codes: Tensor, codec: CodecIdentity) -> None:
    """Keep codes int16 [P, Q] as a voice, atomically."""
    with replacing(path) as partial:
        save_file({"codes": codes.contiguous()}, partial, {"format": FORMAT, "codec": json.dumps(asdict(codec))})


def is_voice(path: Path) -> bool:
    """Whether a file is one of a voice."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def load_voice(path: Path, codec: CodecIdentity) -> Tensor:
    """Codes int16 [P, Q] of a voice file; AudioError if it is none, or is of another codec."""
    if not path.is_file():
        raise AudioError(f"{path}: no such voice")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            codes: Tensor | None = file.get_tensor("codes") if metadata.get("format") == FORMAT else None
    except (SafetensorError, OSError) as error:
        raise AudioError(f"{path}: not a readable voice ({error})") from error
    if codes is None:
        raise AudioError(f"{path}: not a voice; python -m vall_e.voice RECORDING {path.name} makes one")
    own = spoken_by(metadata, path)
    if not codec.agrees(own):
        raise AudioError(
            f"{path} is a voice of the codec {own.name} ({own.digest}), but {codec.name} ({codec.digest}) is in use"
        )
    if not is_code_of(codec, codes):
        raise AudioError(f"{path}: its codes are none of {codec.levels} levels of {codec.codebook_size}")
    return codes.to(torch.int16)


def is_code_of(codec: CodecIdentity, codes: Tensor) -> bool:
    """Whether codes [P, Q] have the codec's levels and stay within its codebooks."""
    shaped = codes.ndim == 2 and len(codes) > 0 and codes.shape[1] == codec.levels and not codes.is_floating_point()
    return shaped and 0 <= int(codes.min()) <= int(codes.max()) < codec.codebook_size


def spoken_by(metadata: dict[str, str], path: Path) -> CodecIdentity:
    """The codec that the metadata of a voice file names."""
    try:
        named: dict[str, Any] = json.loads(metadata["codec"])
        return CodecIdentity(**named)
    except (KeyError, TypeError, ValueError) as error:
        raise AudioError(f"{path}: a voice that does not tell its codec") from error
