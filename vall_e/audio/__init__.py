"""Audio files and neural codecs."""

from __future__ import annotations

from pathlib import Path

from vall_e.audio.codec import Codec
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.device import choose_device


def open_codec(backend: AudioBackend, cfg: CodecConfig, device: str) -> Codec:
    """The codec that `audio_backend` names, ready on `device`."""
    if backend is AudioBackend.encodec:
        from vall_e.audio.encodec import EncodecCodec

        return EncodecCodec(cfg.path, choose_device(device))
    from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec

    return BuiltinCodec(Path(cfg.path) if cfg.path else SHIPPED_WEIGHTS, choose_device(device))
