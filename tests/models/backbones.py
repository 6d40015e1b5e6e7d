"""Settings of a tiny model of every backbone, and where its sequences go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vall_e.decoding.sequences.sequences import next_position
from vall_e.models.layout import Layout
from vall_e.models.vall_e import VallE

CAUSAL = {"noncausal_masks": False}
BACKBONES: dict[str, dict[str, Any]] = {
    "llama": {},
    "grouped llama": {"flags": {"kv_heads": 1}},
    "mistral": {"arch_type": "mistral"},
    "mixtral": {"arch_type": "mixtral", "experts": 4, "flags": {"kv_heads": 1}},
    "llama of experts": {"experts": 3},
    "retnet": {"arch_type": "retnet", "flags": CAUSAL},
    "old retnet": {"arch_type": "retnet-hf", "flags": CAUSAL},
    "transformer": {"arch_type": "transformer"},
    "bitnet": {"arch_type": "bitnet", "flags": {"kv_heads": 1}},
    "mamba": {"arch_type": "mamba", "flags": CAUSAL},
    "mamba2": {"arch_type": "mamba2", "flags": CAUSAL},
    "mamba2 of transformers": {"arch_type": "mamba2-hf", "flags": CAUSAL},
}
ATTENDING = [name for name, settings in BACKBONES.items() if settings.get("flags") != CAUSAL]


def next_positions(model: VallE, layouts: Sequence[Layout]) -> Tensor:
    """Position of the first new id of each sequence: int64 [B]."""
    return torch.tensor([next_position(model, layout) for layout in layouts])
