"""The terms that compare spectra, by the names of their weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vall_e.config.codec_losses import CodecLossesConfig

from .complex_stft import complex_stft
from .decoder_phase import decoder_phase
from .envelopes import Envelopes
from .levels import Levels
from .linear_stft import LinearSTFT
from .magnitude import magnitude, magnitude_distance, mel_widths, quietest
from .mel_stft import MelSTFT
from .phase import phase
from .spectra import Spectra
from .waveform import Waveform

DECODER_MAGNITUDE, DECODER_PHASE = "decoder_magnitude", "decoder_phase"
Term = Callable[[Spectra], Tensor]


class SpectralTerms:
    """A term more: its file, its line here, its weight in `CodecLossesConfig`."""

    def __init__(self, weights: CodecLossesConfig, sample_rate: int) -> None:
        terms: dict[str, Term] = {
            "linear_stft": LinearSTFT(sample_rate),
            "mel_stft": MelSTFT(sample_rate),
            "levels": Levels(sample_rate),
            "envelopes": Envelopes(sample_rate),
            "complex_stft": complex_stft,
            "phase": phase,
            "waveform": Waveform(sample_rate),
        }
        names = (*terms, DECODER_MAGNITUDE, DECODER_PHASE)
        self.weights: dict[str, float] = {name: getattr(weights, name) for name in names}
        self._sample_rate = sample_rate
        self._terms = {name: term for name, term in terms.items() if self.weights[name]}
        self.looks_into_decoder = bool(self.weights[DECODER_MAGNITUDE] or self.weights[DECODER_PHASE])

    def __call__(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The terms that have a weight, without it: waveforms float32 [B, N] twice -> [] each."""
        spectra = Spectra(output, target)
        return {name: term(spectra) for name, term in self._terms.items()}

    def within(self, written: Tensor, direction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The terms that look at the spectrum where the decoder writes it, those that have a weight.

        written: its magnitudes, float32; direction: its phases, complex64 of size 1; target: the spectrum of speech,
        complex64; [B, F, T] each.
        """
        found = {}
        if self.weights[DECODER_MAGNITUDE]:
            lowest, widths = quietest(2 * (target.shape[1] - 1)), mel_widths(target.shape[1], self._sample_rate)
            found[DECODER_MAGNITUDE] = magnitude_distance(written, magnitude(target), lowest, widths)
        if self.weights[DECODER_PHASE]:
            found[DECODER_PHASE] = decoder_phase(direction, target, self._sample_rate)
        return found

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum: []."""
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
