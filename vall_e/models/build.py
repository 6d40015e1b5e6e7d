"""Which model settings ask for."""

from __future__ import annotations

from vall_e.config.model import ModelConfig

from .one_vocabulary import OneVocabularyVallE
from .vall_e import VallE


def build_model(cfg: ModelConfig) -> VallE:
    """A model with weights drawn anew: with tables and heads of its own for every kind of id, or one for all."""
    return OneVocabularyVallE(cfg) if cfg.experimental.hf else VallE(cfg)
