"""The built-in codec's weights file: half-precision safetensors that carry their own sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vall_e.atomic import replacing
from vall_e.errors import AudioError

from .spectral_codec import SpectralCodec, SpectralCodecShape

BEFORE_EXPANSION = {"expansion": 3}
"""Sizes of files that were written before `expansion` could be set."""


def save_codec(codec: SpectralCodec, path: Path) -> None:
    """Write `path` atomically, tensors as float16."""
    write_codec(codec.shape, codec.state_dict(), path)


def write_codec(shape: SpectralCodecShape, tensors: Mapping[str, Tensor], path: Path) -> None:
    """`save_codec` of a codec of these sizes, given as its state by name."""
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as partial:
        save_file(halves, partial, metadata={"shape": json.dumps(asdict(shape))})


def load_codec(path: Path, setting: str = "codec.path") -> SpectralCodec:
    """Read a codec in float32, in eval mode. AudioError, which names the setting, for a missing or foreign file."""
    if not path.is_file():
        raise AudioError(f"{setting}={path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            shape = SpectralCodecShape(**BEFORE_EXPANSION | json.loads(file.metadata()["shape"]))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        codec = SpectralCodec(shape)
        codec.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise AudioError(f"{setting}={path}: not weights of the built-in codec ({error})") from error
    except RuntimeError as error:
        raise AudioError(
            f"{setting}={path}: not weights of the built-in codec as it is in this version: other tensors"
        ) from error
    return codec.eval()
