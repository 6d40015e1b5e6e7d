"""The terms that compare spectra, by the names of their weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vall_e.config.codec_losses import CodecLossesConfig

from .complex_stft import complex_stft
from .linear_stft import linear_stft
from .magnitude import magnitude_distance, quietest
from .mel_stft import MelSTFT
from .phase import phase
from .spectra import Spectra

DECODER_MAGNITUDE = "decoder_magnitude"
Term = Callable[[Spectra], Tensor]


class SpectralTerms:
    """A term more: its file, its line here, its weight in `CodecLossesConfig`."""

    def __init__(self, weights: CodecLossesConfig, sample_rate: int) -> None:
        terms: dict[str, Term] = {
            "linear_stft": linear_stft,
            "mel_stft": MelSTFT(sample_rate),
            "complex_stft": complex_stft,
            "phase": phase,
        }
        self.weights: dict[str, float] = {name: getattr(weights, name) for name in (*terms, DECODER_MAGNITUDE)}
        self._terms = {name: term for name, term in terms.items() if self.weights[name]}
        self.looks_into_decoder = bool(self.weights[DECODER_MAGNITUDE])

    def __call__(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The terms that have a weight, without it: waveforms float32 [B, N] twice -> [] each."""
        spectra = Spectra(output, target)
        return {name: term(spectra) for name, term in self._terms.items()}

    @staticmethod
    def within(magnitude: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The term that looks at magnitudes where the decoder writes them: [B, F, T] twice."""
        window = 2 * (target.shape[1] - 1)
        return {DECODER_MAGNITUDE: magnitude_distance(magnitude, target, quietest(window))}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum: []."""
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
