"""Settings and fixed facts of the audio codecs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .setting import setting


class AudioBackend(Enum):
    """The codecs that turn speech into tokens and back."""

    builtin = "builtin"
    encodec = "encodec"
    vocos = "vocos"
    dac = "dac"
    audiodec = "audiodec"

    def __str__(self) -> str:
        """The bare name, as `${audio_backend}` within a path or a resolver's argument shall read."""
        return self.name


AUDIO_BACKENDS_NEED = {
    "vocos": "the Vocos decoder; its codes are EnCodec's: audio_backend=encodec",
    "dac": "the codec DAC",
    "audiodec": "the codec AudioDec",
}


@dataclass(frozen=True)
class CodecFacts:
    """What never changes about a codec."""

    sample_rate: int
    frame_rate: float
    levels: int
    codebook_size: int


ENCODEC_FACTS = CodecFacts(sample_rate=24_000, frame_rate=75.0, levels=8, codebook_size=1024)
CODEC_FACTS = {
    AudioBackend.builtin: ENCODEC_FACTS,
    AudioBackend.encodec: ENCODEC_FACTS,
    AudioBackend.vocos: ENCODEC_FACTS,
    AudioBackend.dac: CodecFacts(sample_rate=44_100, frame_rate=44_100 / 512, levels=9, codebook_size=1024),
    AudioBackend.audiodec: CodecFacts(sample_rate=48_000, frame_rate=160.0, levels=8, codebook_size=1024),
}


@dataclass(kw_only=True)
class CodecConfig:
    """The neural codec; `audio_backend` chooses it, the facts follow from the choice."""

    path: str | None = setting(None, "Weights of the codec; null takes those it ships with or downloads once.")
    sample_rate: int = setting(24_000, "Samples per second of the waveform.", at_least=8_000, at_most=96_000)
    frame_rate: float = setting(75.0, "Code frames per second.", above=0)
    levels: int = setting(8, "Residual quantiser levels, the Q of every code tensor [T, Q].", at_least=1, at_most=32)
    codebook_size: int = setting(1024, "Entries of each codebook.", at_least=2)
