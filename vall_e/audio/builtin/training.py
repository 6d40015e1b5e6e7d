"""Training of the built-in codec: random clips, spectral losses, no adversary."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from auraloss.freq import MultiResolutionSTFTLoss
from torch import Tensor
from tqdm import tqdm

from vall_e.audio.read import read_audio
from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.errors import AudioError

from .spectral_codec import SpectralCodec, SpectralCodecShape
from .weights import save_codec

Samples = npt.NDArray[np.int16]


class Clips:
    """Random clips of fixed length from a folder of audio, held in memory as 16-bit samples."""

    def __init__(self, folder: Path, holdout: list[str], samples: int, sample_rate: int) -> None:
        found = sorted(f for suffix in ("ogg", "wav", "flac") for f in folder.rglob(f"*.{suffix}"))
        files = [f for f in found if f.parent.name not in holdout]
        if not files:
            raise AudioError(f"audio={folder}: no .ogg, .wav or .flac file below this folder")
        self.waves = [read_int16(f, sample_rate) for f in tqdm(files, desc="read audio", unit="file")]
        self.samples = samples
        lengths = np.array([len(w) for w in self.waves], dtype=np.float64)
        self.weights = lengths / lengths.sum()

    def batch(self, rng: np.random.Generator, size: int) -> Tensor:
        """float32 [size, samples] in -1..1, at random gain."""
        picks = rng.choice(len(self.waves), size, p=self.weights)
        clips = np.stack([self._clip(rng, self.waves[i]) for i in picks])
        gain = 10 ** rng.uniform(-0.6, 0.1, (size, 1))
        return torch.from_numpy((clips * gain / 32768).clip(-1, 1).astype(np.float32))

    def _clip(self, rng: np.random.Generator, wave: Samples) -> Samples:
        missing = max(0, self.samples - len(wave))
        start = rng.integers(0, len(wave) + missing - self.samples + 1)
        return np.pad(wave, (0, missing))[start : start + self.samples]


def read_int16(path: Path, sample_rate: int) -> Samples:
    """Mono audio at `sample_rate` as int16 [N], which keeps a corpus in half the memory."""
    return (read_audio(path, sample_rate) * 32767).clip(-32768, 32767).astype(np.int16)


class SpectralLoss(torch.nn.Module):
    """Multi-resolution STFT loss (linear and mel) between two waveforms [B, N]."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.linear = MultiResolutionSTFTLoss([2048, 1024, 512, 256], [512, 256, 128, 64], [2048, 1024, 512, 256])
        self.mel = MultiResolutionSTFTLoss(
            [2048, 1024, 512], [512, 256, 128], [2048, 1024, 512], scale="mel", n_bins=80, sample_rate=sample_rate
        )

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.linear(output[:, None], target[:, None]) + self.mel(output[:, None], target[:, None])
        return loss


def learning_rate(step: int, cfg: CodecTrainingConfig) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    if step < cfg.warmup_steps:
        return cfg.learning_rate * (step + 1) / cfg.warmup_steps
    done = (step - cfg.warmup_steps) / max(1, cfg.steps - cfg.warmup_steps)
    return cfg.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def kept_levels(rng: np.random.Generator, size: int, levels: int) -> Tensor:
    """Quantiser dropout: half the rows use all levels, the others a uniform number of them."""
    keep = rng.integers(1, levels + 1, size)
    keep[: size // 2] = levels
    return torch.from_numpy(keep)


def train_codec(cfg: CodecTrainingConfig) -> Path:
    """Train from scratch; returns the weights file, which is rewritten every `save_frequency` steps."""
    shape = SpectralCodecShape()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    samples = int(cfg.clip_seconds * shape.sample_rate) // shape.hop * shape.hop
    clips = Clips(Path(cfg.audio), cfg.holdout or [], samples, shape.sample_rate)
    codec = SpectralCodec(shape)
    criterion = SpectralLoss(shape.sample_rate)
    optimizer = torch.optim.AdamW(codec.parameters(), lr=cfg.learning_rate, betas=(0.8, 0.99), weight_decay=0.01)
    out = Path(cfg.out) / "codec.safetensors"
    out.parent.mkdir(parents=True, exist_ok=True)
    bar = tqdm(range(cfg.steps), desc="train codec", unit="step", mininterval=10)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, cfg)
        wave = clips.batch(rng, cfg.batch_size)
        output, commitment = codec(wave, kept_levels(rng, cfg.batch_size, shape.levels))
        spectral = criterion(output, wave)
        (spectral + cfg.commitment * commitment).backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
        bar.set_postfix(loss=f"{spectral.item():.3f}", commitment=f"{commitment.item():.3f}", refresh=False)
        if (step + 1) % cfg.save_frequency == 0 or step + 1 == cfg.steps:
            save_codec(codec, out)
    return out
