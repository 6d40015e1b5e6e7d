"""The built-in neural codec: spectrum -> ConvNeXt -> residual codes -> ConvNeXt -> inverse STFT.

Everything runs at the frame rate (75 Hz), which makes it fast on a CPU. The parts follow Vocos
(ConvNeXt backbone and inverse-STFT head, arXiv:2306.00814) and SoundStream (residual quantiser,
arXiv:2107.03312). The encoder hears phase as well as magnitude: codes that tell magnitude alone leave the decoder
to guess the phase, and that is what is heard. Axes: B batch, N samples, T frames, C channels, Q levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vall_e.audio.codec import Reach

from .consistent_stft import ConsistentInverseSTFT
from .residual_quantizer import ResidualQuantizer
from .spectral_features import SpectralFeatures

KERNEL = 7
"""Frames that a convolution sees."""
LOUDEST = 7.0
"""Largest natural logarithm of a magnitude."""
SHORTEST = 1e-4
"""Added to the lengths of directions, so that one of no length has a gradient."""


@dataclass(kw_only=True, frozen=True)
class SpectralCodecShape:
    """The sizes of a codec; stored in its weights file."""

    sample_rate: int = 24_000
    hop: int = 320
    window: int = 1280
    mels: int = 100
    levels: int = 8
    entries: int = 1024
    latent: int = 64
    encoder_width: int = 224
    encoder_blocks: int = 4
    decoder_width: int = 320
    decoder_blocks: int = 7
    expansion: int = 4
    refinements: int = 2


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a pointwise MLP, with a scaled residual: [B, C, T] -> [B, C, T]."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, width * expansion)
        self.down = nn.Linear(width * expansion, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.down(nn.functional.gelu(self.up(y))) * self.scale
        out: Tensor = x + y.transpose(1, 2)
        return out


class ConvNeXt(nn.Module):
    """A stack of blocks between two projections: [B, inputs, T] -> [B, T, outputs]."""

    def __init__(self, inputs: int, width: int, blocks: int, expansion: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(inputs, width, KERNEL, padding=KERNEL // 2)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.norm(self.blocks(self.embed(x)).transpose(1, 2)))
        return y


class Reconstruction(NamedTuple):
    """What training looks at."""

    wave: Tensor
    """[B, N]."""
    magnitude: Tensor
    """Of the spectrum that the decoder wrote: [B, bins, N / hop]."""
    direction: Tensor
    """The phases of that spectrum as complex numbers of size 1: [B, bins, N / hop]."""
    commitment: Tensor
    """Distance of the encoder from the codebooks: []."""


class SpectralCodec(nn.Module):
    """Waveform to residual codes and back."""

    def __init__(self, shape: SpectralCodecShape) -> None:
        super().__init__()
        self.shape = shape
        self.features = SpectralFeatures(shape.sample_rate, shape.hop, shape.window, shape.mels)
        self.narrow = nn.Conv1d(self.features.channels, shape.encoder_width, 1)
        width, wider, bins = shape.encoder_width, shape.expansion, shape.window // 2 + 1
        self.encoder = ConvNeXt(width, width, shape.encoder_blocks, wider, shape.latent)
        self.quantizer = ResidualQuantizer(shape.levels, shape.entries, shape.latent)
        self.decoder = ConvNeXt(shape.latent, shape.decoder_width, shape.decoder_blocks, wider, 3 * bins)
        self.head = ConsistentInverseSTFT(shape.hop, shape.window, shape.refinements)

    @property
    def reach(self) -> Reach:
        """Half a kernel for each convolution, and the frames whose windows overlap, once more for each refinement."""
        convolutions = KERNEL // 2 * (1 + self.shape.decoder_blocks)
        overlap = self.shape.window // 2 // self.shape.hop
        refined = self.shape.refinements * (self.shape.window // self.shape.hop - 1)
        return Reach(before=convolutions + overlap - 1 + refined, behind=convolutions + overlap + refined)

    def latents(self, wave: Tensor) -> Tensor:
        """What is quantised: wave [B, N], N a multiple of the hop -> [B, N / hop, D]."""
        found: Tensor = self.encoder(self.narrow(self.features(wave)))
        return found

    def encode(self, wave: Tensor) -> Tensor:
        """wave [B, N], N a multiple of the hop -> codes int64 [B, N / hop, Q]."""
        return self.quantizer.encode(self.latents(wave))

    def decode(self, codes: Tensor) -> Tensor:
        """codes [B, T, Q'], Q' <= Q -> wave [B, T * hop]."""
        wave: Tensor = self.head(*self._spectrum(self.quantizer.decode(codes)))
        return wave

    def forward(self, wave: Tensor, keep: Tensor) -> Reconstruction:
        """Reconstruct wave [B, N] through the first `keep` [B] levels."""
        latents, commitment = self.quantizer(self.latents(wave), keep)
        magnitude, direction = self._spectrum(latents)
        return Reconstruction(self.head(magnitude, direction), magnitude, direction, commitment)

    def _spectrum(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, T, D] -> magnitudes and directions, [B, bins, T] each.

        The decoder writes a phase as a point in the plane, of which its direction counts: an angle would jump where it
        has gone around, and what jumps is not learnt.
        """
        frames: Tensor = self.decoder(latents.transpose(1, 2)).float().transpose(1, 2)
        magnitude, real, imaginary = frames.chunk(3, dim=1)
        point = torch.complex(real, imaginary)
        return magnitude.clamp_max(LOUDEST).exp(), point / (point.abs() + SHORTEST)
