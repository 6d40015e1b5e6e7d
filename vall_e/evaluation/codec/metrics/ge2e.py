"""Who speaks, as a vector: the encoder of Wan et al. 2018 (GE2E) with the weights that `resemblyzer` carries.

The package itself is not imported: it unpickles its weights, and needs `pkg_resources`, which setuptools has given up.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vall_e.audio.read import Wave

SAMPLE_RATE = 16_000
WINDOW, HOP, MELS = 400, 160, 40
SIZE = 256
PART = 160
"""Frames of 10 ms that the network hears at once."""
STEP = 77
"""Frames from part to part: 1.3 parts a second."""
COVERED = 0.75
"""Share of the last part that must be speech, or it is left out."""
LOUDNESS = -30.0
"""dB below full scale to which softer speech is raised."""


class Ge2eEncoder(nn.Module):
    """Three LSTMs over mel spectra, and a linear layer behind the last frame."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MELS, SIZE, 3, batch_first=True)
        self.linear = nn.Linear(SIZE, SIZE)

    @torch.inference_mode()
    def vector(self, wave: Wave) -> npt.NDArray[np.float32]:
        """float32 [N] at 16 kHz -> float32 [256] of length 1: the mean over parts of 1.6 s."""
        from librosa.feature import melspectrogram

        starts = part_starts(len(wave))
        padded = np.pad(raised(wave), (0, max(0, (starts[-1] + PART) * HOP - len(wave))))
        mels = melspectrogram(y=padded, sr=SAMPLE_RATE, n_fft=WINDOW, hop_length=HOP, n_mels=MELS).T
        parts = np.stack([mels[start : start + PART] for start in starts]).astype(np.float32)
        mean = F.normalize(self._embedded(torch.from_numpy(parts)), dim=1).mean(dim=0)
        unit: npt.NDArray[np.float32] = F.normalize(mean, dim=0).numpy()
        return unit

    def _embedded(self, mels: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(mels)
        return F.relu(self.linear(hidden[-1]))


def part_starts(samples: int) -> list[int]:
    """The first frame of every part of a wave; at least one, so that short speech is filled up with silence."""
    frames = -(-(samples + 1) // HOP)
    starts = list(range(0, max(1, frames - PART + STEP + 1), STEP))
    covered = (samples - starts[-1] * HOP) / (PART * HOP)
    return starts[:-1] if covered < COVERED and len(starts) > 1 else starts


def raised(wave: Wave) -> Wave:
    """The wave at -30 dB below full scale, if it is softer."""
    level = 20 * np.log10(np.sqrt(np.mean(wave**2)) + 1e-12)
    louder: Wave = (wave * 10 ** (max(0.0, LOUDNESS - level) / 20)).astype(np.float32)
    return louder


def load_ge2e() -> Ge2eEncoder:
    """The encoder with the weights within the installed package `resemblyzer`; nothing is fetched or unpickled."""
    spec = find_spec("resemblyzer")
    assert spec is not None and spec.origin is not None
    weights = torch.load(Path(spec.origin).parent / "pretrained.pt", map_location="cpu", weights_only=True)
    encoder = Ge2eEncoder()
    known = encoder.state_dict()
    encoder.load_state_dict({name: tensor for name, tensor in weights["model_state"].items() if name in known})
    return encoder.eval()
