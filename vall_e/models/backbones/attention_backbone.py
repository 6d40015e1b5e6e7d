"""Backbones whose layers attend: to packed sequences, or to a cache of keys and values."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vall_e.config.model import ModelConfig

from .attention import Attention
from .attention_choice import check_available, packed_attention
from .backbone import Backbone
from .kv_cache import KVCache


class AttentionBackbone(Backbone[Attention]):
    """Layers lie in `layers`, unless `stack` says otherwise."""

    layers: nn.ModuleList

    def __init__(self, cfg: ModelConfig, attention_dropout: float = 0.0) -> None:
        super().__init__(cfg)
        check_available(cfg.attention)
        size = cfg.dimensions
        self.kv_heads = cfg.experimental.kv_heads or size.heads
        self.head_width = size.dim // size.heads
        self.attention_dropout, self.kernel = attention_dropout, cfg.attention

    @property
    def stack(self) -> nn.ModuleList:
        """See `Backbone`."""
        return self.layers

    def packed(self, lengths: Sequence[int], causal: Sequence[bool]) -> Attention:
        """See `Backbone`."""
        return packed_attention(self.kernel, lengths, causal, self.attention_dropout if self.training else 0.0)

    def cache(self, places: int, like: Tensor) -> KVCache:
        """See `Backbone`."""
        return KVCache(len(self.stack), self.kv_heads, places, self.head_width, like)
