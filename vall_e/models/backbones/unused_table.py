"""A table that weights files of some backbones hold, though nothing reads it."""

from __future__ import annotations

from torch import nn

from vall_e.config.model import ModelConfig


def unused_table(cfg: ModelConfig) -> nn.Embedding:
    """The table `embed_tokens` of codes and the stop code; it is not trained."""
    return nn.Embedding(cfg.audio_tokens + 1, cfg.dimensions.dim).requires_grad_(False)
