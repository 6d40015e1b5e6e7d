"""The built-in codec: trained by this project, free of restrictions, shipped with the package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vall_e.audio.codec import CodecIdentity

from .padded_batch import mirrored_batch, zeros_behind
from .weights import load_codec

SHIPPED_WEIGHTS = Path(__file__).parent / "codec.safetensors"


class BuiltinCodec:
    """24 kHz mono, 75 frames a second, 8 levels of 1024 codes."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self._model, self._device = load_codec(path).to(device), device
        shape = self._model.shape
        self.identity = CodecIdentity(
            name="builtin",
            sample_rate=shape.sample_rate,
            frame_rate=shape.sample_rate / shape.hop,
            levels=shape.levels,
            codebook_size=shape.entries,
            digest=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        )
        self.reach = self._model.reach

    @torch.inference_mode()
    def encode(self, wave: Tensor) -> Tensor:
        """float32 [N] -> int16 [T, Q], T = N / 320 rounded up."""
        frames, length = self._frames(wave), self._padded_length(wave)
        padded = F.pad(wave, (0, length - len(wave)))
        return self._model.encode(padded[None].to(self._device))[0, :frames].to("cpu", torch.int16)

    @torch.inference_mode()
    def encode_batch(self, waves: Sequence[Tensor]) -> list[Tensor]:
        """`encode` of each of them, at once."""
        shape = self._model.shape
        lengths = [self._padded_length(wave) for wave in waves]
        batch = mirrored_batch(waves, lengths, shape.window // 2, shape.hop).to(self._device)
        frames = torch.tensor(lengths, device=self._device) // shape.hop
        with zeros_behind(self._model.encoder, frames, batch.shape[1] // shape.hop):
            codes = self._model.encode(batch).to("cpu", torch.int16)
        return [row[: self._frames(wave)].clone() for row, wave in zip(codes, waves, strict=True)]

    def _frames(self, wave: Tensor) -> int:
        return -(-len(wave) // self._model.shape.hop)

    def _padded_length(self, wave: Tensor) -> int:
        """Whole frames; the spectrogram mirrors half a window at both ends, so it needs more samples than that."""
        return max(self._frames(wave) * self._model.shape.hop, self._model.shape.window)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """int [T, Q'] -> float32 [T * 320]."""
        if not len(codes):
            return torch.zeros(0)
        return self._model.decode(codes[None].to(self._device, torch.int64))[0].cpu()

    @torch.inference_mode()
    def latents(self, codes: Tensor) -> Tensor:
        """int [T, Q'] -> the sums of their codebook vectors, float32 [T, D]."""
        return self._model.quantizer.decode(codes[None].to(self._device, torch.int64))[0].cpu()
