"""What a weights file holds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.model import ModelConfig
from vall_e.models.heads import ONE_TABLE
from vall_e.models.vocabulary import SEPARATOR
from vall_e.text import Tokenizer


@dataclass(frozen=True, kw_only=True)
class WeightsContent:
    """What a weights file holds: tensors by name, and what is needed to speak with them."""

    tensors: dict[str, Tensor]
    config: ModelConfig
    tokenizer: Tokenizer
    codec: CodecIdentity
    step: int
    bitnet: str = ""
    """The part of the model whose linear layers are BitNet's."""

    @property
    def separator(self) -> Tensor:
        """The vector between segments, [d]."""
        return self.tensors[f"{ONE_TABLE}.weight"][SEPARATOR] if self.config.experimental.hf else self.tensors["sep"]
