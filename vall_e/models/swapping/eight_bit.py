"""Linear layers that multiply in 8-bit integers, and embeddings whose optimizer keeps 32 bits (bitsandbytes)."""

from __future__ import annotations

import bitsandbytes
from torch import Tensor, nn

OUTLIER = 6.0
"""Columns of the inputs with larger values than this are multiplied exactly (arXiv:2208.07339)."""


class EightBitLinear(nn.Linear):
    """A linear layer whose weights are rounded to 8 bits, a scale for each row, whenever they are used."""

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        # A state kept from call to call would keep rounded weights that the optimizer has moved on from.
        state = bitsandbytes.MatmulLtState()
        state.threshold, state.has_fp16_weights, state.is_training = OUTLIER, True, True
        product: Tensor = bitsandbytes.matmul(inputs, self.weight, bias=self.bias, state=state)
        return product


def stable_embedding(embedding: nn.Embedding) -> nn.Embedding:
    """The embedding, whose state 8-bit optimizers will keep in 32 bits, as its rows are seldom updated."""
    made: nn.Embedding = bitsandbytes.nn.Embedding(*embedding.weight.shape, device="meta")
    made.weight = embedding.weight
    return made
