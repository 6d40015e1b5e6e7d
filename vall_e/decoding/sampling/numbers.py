"""Predictions that are numbers."""

from __future__ import annotations

from torch import Tensor

from vall_e.errors import WeightsError


def check_numbers(logits: Tensor) -> None:
    """WeightsError for logits [B, V] of which some are none, as where float16 overflows."""
    if logits.isnan().any():
        raise WeightsError("the model predicts what is no number: take inference.weight_dtype=bfloat16 or float32")
