"""Who speaks, as a vector: x-vectors of WavLM through `transformers` (extra `encodec`)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vall_e.device import choose_device
from vall_e.errors import AudioError, MissingExtra

SAMPLE_RATE = 16_000
SHORTEST = 8_000
"""Samples that its convolutions want at least; less is filled up with silence."""


class SpeakerEncoder:
    """A WavLM with an x-vector head, by name, fetched once, or in a folder. It opens at the first recording."""

    def __init__(self, path: str, device: str) -> None:
        self.path, self._device = path, device

    @cached_property
    def _model(self) -> Any:
        return _load(self.path).to(choose_device(self._device)).eval()

    @torch.inference_mode()
    def vector(self, wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [N] at 16 kHz -> float32 [D] of length 1; loudness does not matter."""
        padded = np.pad(wave, (0, max(0, SHORTEST - len(wave))))
        normal = (padded - padded.mean()) / (padded.std() + 1e-7)
        found = self._model(torch.from_numpy(normal[None]).to(self._model.device)).embeddings[0]
        unit: npt.NDArray[np.float32] = torch.nn.functional.normalize(found, dim=0).cpu().numpy()
        return unit


def _load(path: str) -> Any:
    try:
        from transformers import WavLMForXVector
    except ImportError as error:
        raise MissingExtra("transformers", "encodec", "preparation.similar_by=speaker") from error
    try:
        return WavLMForXVector.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise AudioError(
            f"preparation.speaker_encoder={path} could not be loaded: it is fetched once from the Hugging Face hub; "
            "offline, name a folder with config.json and model.safetensors"
        ) from error
