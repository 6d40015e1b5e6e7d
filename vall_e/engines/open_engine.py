"""The engine that the settings ask for."""

from __future__ import annotations

from vall_e.audio.codec import CodecIdentity
from vall_e.config.schema import Config
from vall_e.config.trainer import Backend
from vall_e.text import Tokenizer

from .engine import Engine
from .local import LocalEngine
from .ranks import Ranks


def open_engine(cfg: Config, tokenizer: Tokenizer, codec: CodecIdentity, ranks: Ranks) -> Engine:
    """An engine with fresh weights; MissingExtra if its package is not installed."""
    if cfg.trainer.backend is Backend.deepspeed:
        from .deepspeed import DeepSpeedEngine  # slow to import, and an extra

        return DeepSpeedEngine(cfg, tokenizer, codec, ranks)
    if cfg.trainer.fsdp and ranks.several:
        from .sharded import ShardedEngine

        return ShardedEngine(cfg, tokenizer, codec, ranks)
    return LocalEngine(cfg, tokenizer, codec, ranks)
