"""From settings to what speaks."""

from __future__ import annotations

from vall_e.audio import open_codec
from vall_e.config.codec import AudioBackend
from vall_e.config.hub import weights_path
from vall_e.config.schema import Config
from vall_e.device import choose_device
from vall_e.errors import ConfigError, WeightsError
from vall_e.models.lora.loading import attach_trained
from vall_e.models.weights.weights_file import load_weights

from .speaker import Speaker


def open_speaker(cfg: Config) -> Speaker:
    """What speaks with the weights of the settings, their tokenizer, the codec that they name, and adapters."""
    if not cfg.weights:
        raise ConfigError(
            "weights=PATH is needed: a file exported by python -m vall_e.train, a folder, or hf://owner/name"
        )
    weights = load_weights(weights_path(cfg.weights), choose_device(cfg.device))
    if weights.codec.name not in AudioBackend.__members__:
        raise WeightsError(f"weights={cfg.weights} speaks codes of the codec {weights.codec.name}, which is not known")
    codec = open_codec(AudioBackend[weights.codec.name], cfg.codec, cfg.device)
    attach_trained(weights.model, cfg.loras, weights.tokenizer, weights.codec)
    return Speaker(weights, codec, cfg.inference)
