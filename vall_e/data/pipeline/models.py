"""The models that steps use."""

from __future__ import annotations

from dataclasses import dataclass

from vall_e.audio.codec import Codec
from vall_e.audio.speaker_encoder import SpeakerEncoder

from .wave_encoder import WaveEncoder
from .whisper import Transcriber


@dataclass(frozen=True)
class Models:
    """The codec and what encodes with it, and what opens only if a step needs it: a transcriber, None if nothing is to
    be transcribed, and an encoder of speakers."""

    codec: Codec
    encoder: WaveEncoder
    transcriber: Transcriber | None
    speakers: SpeakerEncoder
