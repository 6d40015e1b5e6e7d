"""EnCodec at 24 kHz and 6 kbit/s through the `transformers` library. Its weights may not be used commercially."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vall_e.audio.codec import CodecIdentity, Reach
from vall_e.errors import AudioError, MissingExtra

from .encodec_batch import FEWEST_FRAMES, mirrored_ends, silent_batch

MODEL_ID = "facebook/encodec_24khz"
BANDWIDTH = 6.0
"""Kilobits per second of 8 levels."""

HOP = 320
"""Samples of a frame."""


class EncodecCodec:
    """24 kHz mono, 75 frames a second, 8 levels of 1024 codes."""

    reach = Reach(before=None, behind=0)
    """Its convolutions are causal and its LSTM remembers."""

    def __init__(self, path: str | None, device: torch.device) -> None:
        self._model, self._device = load_encodec(path).to(device).eval(), device
        self.identity = CodecIdentity("encodec", 24_000, 75.0, 8, 1024, weights_digest(self._model))

    @torch.inference_mode()
    def encode(self, wave: Tensor) -> Tensor:
        """float32 [N] -> int16 [T, 8]."""
        codes: Tensor = self._model.encode(wave[None, None].to(self._device), bandwidth=BANDWIDTH).audio_codes
        return codes[0, 0].T.contiguous().to("cpu", torch.int16)

    @torch.inference_mode()
    def encode_batch(self, waves: Sequence[Tensor]) -> list[Tensor]:
        """`encode` of each of them, at once."""
        if min(map(len, waves)) < FEWEST_FRAMES * HOP:
            return [self.encode(wave) for wave in waves]
        batch = silent_batch(waves, HOP).to(self._device)
        with mirrored_ends(self._model.encoder, torch.tensor([len(wave) for wave in waves], device=self._device)):
            found: Tensor = self._model.encode(batch, bandwidth=BANDWIDTH).audio_codes[0].transpose(1, 2)
        codes = found.to("cpu", torch.int16)
        return [row[: -(-len(wave) // HOP)].clone() for row, wave in zip(codes, waves, strict=True)]

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """int [T, Q'] -> float32 [T * 320]."""
        if not len(codes):
            return torch.zeros(0)
        frames = codes.to(self._device, torch.int64).T[None, None]
        wave: Tensor = self._model.decode(frames, [None]).audio_values[0, 0].cpu()
        return wave

    @torch.inference_mode()
    def latents(self, codes: Tensor) -> Tensor:
        """int [T, Q'] -> the sums of their codebook vectors, float32 [T, 128]."""
        summed: Tensor = self._model.quantizer.decode(codes.to(self._device, torch.int64).T[:, None])[0].T.cpu()
        return summed


def load_encodec(path: str | None) -> Any:
    """The model from a folder, or from the hub on first use: 93 MB, cached there, HF_HUB_OFFLINE honoured."""
    try:
        from transformers import EncodecModel
    except ImportError as error:
        raise MissingExtra("transformers", "encodec", "audio_backend=encodec") from error
    if path is not None and not Path(path).is_dir():
        raise AudioError(
            f"codec.path={path}: no such folder; EnCodec is a folder with config.json and model.safetensors"
        )
    try:
        model = EncodecModel.from_pretrained(path or MODEL_ID)
    except OSError as error:
        raise AudioError(
            f"EnCodec's weights could not be loaded from {path or MODEL_ID}: they are fetched once from the "
            "Hugging Face hub (93 MB). Offline, set codec.path to a folder with them, or use audio_backend=builtin"
        ) from error
    rate, channels = model.config.sampling_rate, model.config.audio_channels
    if (rate, channels) != (24_000, 1):
        raise AudioError(f"codec.path={path} is EnCodec at {rate} Hz with {channels} channels, allowed: 24000 Hz mono")
    return model


def weights_digest(model: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 over all tensors in order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
