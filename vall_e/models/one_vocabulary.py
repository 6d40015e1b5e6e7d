"""The codec language model with one table and one head over the ids of all segments (`experimental.hf`).

Axes: M predictions, T response frames, Q RVQ levels, d model width, V ids of the vocabulary, C codes and the stop.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vall_e.config.model import ModelConfig

from .heads import SINGLE
from .layout import Layout, ModelInput
from .loss import Predictions, predictions
from .vall_e import VallE
from .vocabulary import Vocabulary


class OneVocabularyVallE(VallE):
    """Learns all V ids against each other; when it speaks, codes of the level and the stop are chosen from alone."""

    def _add_tables(self, cfg: ModelConfig) -> None:
        self.vocabulary = Vocabulary(cfg)
        self.tokens_emb = nn.Embedding(self.vocabulary.size, cfg.dimensions.dim)

    def _add_heads(self, cfg: ModelConfig) -> None:
        self._add_single_head(self.vocabulary.size)

    def head_widths(self) -> dict[str, int]:
        """See `VallE`."""
        return {SINGLE: self.vocabulary.size}

    def logits(self, head: str, hidden: Tensor) -> Tensor:
        """Logits of all V ids by the name of the single head, else of the C that `head` says: [M, d] -> [M, V or C]."""
        every = super().logits(SINGLE, hidden)
        return every if head == SINGLE else every[:, self.vocabulary.choices(head).to(every.device)]

    def wanted(self, samples: Sequence[ModelInput], layouts: Sequence[Layout]) -> list[Predictions]:
        """See `VallE`; nothing is learnt of prompts."""
        ignore = self.cfg.experimental.ignore_inputs_for_loss
        found = predictions(samples, layouts, sums=True, ignore_inputs=ignore)
        return [self.vocabulary.targets(entry) for entry in found]

    def spoken(self, codes: Tensor) -> Tensor:
        """See `VallE`; every response that has been said ends with the stop."""
        return torch.cat([codes, codes.new_full((1, codes.shape[1]), self.stop)])

    def embed_first(self, codes: Tensor) -> Tensor:
        """See `VallE`."""
        vectors: Tensor = self.tokens_emb(self.vocabulary.ids("resp", codes))
        return vectors

    def _embed(self, sample: ModelInput, layout: Layout) -> Tensor:
        vectors: Tensor = self.tokens_emb(self.vocabulary.sequence(sample, layout).to(self.device))
        return vectors
