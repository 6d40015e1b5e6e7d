"""Weights of the terms that make the loss of the built-in codec."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting


@dataclass(kw_only=True)
class CodecLossesConfig:
    """Weights; a term of weight 0 is not computed."""

    linear_stft: float = setting(
        1.0, "Magnitudes at four resolutions: spectral convergence as AuraLoss, logarithms by the mel.", at_least=0
    )
    mel_stft: float = setting(5.0, "Magnitudes of mel bands at six resolutions, as AuraLoss.", at_least=0)
    levels: float = setting(10.0, "Levels of 40 mel bands, averaged over three spans of time.", at_least=0)
    envelopes: float = setting(8.0, "Correlation of the envelopes of third-octave bands, as in STOI.", at_least=0)
    complex_stft: float = setting(0.0, "Complex spectra with magnitudes raised to 0.3, which hear phase.", at_least=0)
    phase: float = setting(0.0, "Phases and their differences over frequency and time, as angles (APNet).", at_least=0)
    waveform: float = setting(2.0, "Waveforms below 1 kHz, in four bands.", at_least=0)
    decoder_magnitude: float = setting(
        1.5, "Magnitudes as the decoder writes them, before windows are laid over each other.", at_least=0
    )
    decoder_phase: float = setting(1.5, "Phases below 1 kHz as the decoder writes them.", at_least=0)
    commitment: float = setting(0.1, "Distance of the encoder from the codebooks.", at_least=0)
    adversarial: float = setting(0.1, "What discriminators tell apart, from adversary.start on.", at_least=0)
    feature_matching: float = setting(
        1.0, "Distance of what discriminators see in speech and in coded speech, from adversary.start on.", at_least=0
    )

    @property
    def reconstructs(self) -> bool:
        """Whether a term compares spectra as they are; `envelopes` does not hear how loud they are."""
        return any(
            (self.linear_stft, self.mel_stft, self.levels, self.complex_stft, self.waveform, self.decoder_magnitude)
        )
