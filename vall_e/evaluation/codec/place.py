"""Where a codec lies."""

from __future__ import annotations

from dataclasses import dataclass

from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.config.codec import AudioBackend, CodecConfig


@dataclass(frozen=True)
class Place:
    """How a codec is opened, in this process or another."""

    backend: AudioBackend
    path: str | None
    device: str

    def open(self) -> Codec:
        """AudioError or MissingExtra if it cannot be."""
        return open_codec(self.backend, CodecConfig(path=self.path), self.device)
