"""Kinds of backbones (`model.arch_type`), and what each can be told."""

from __future__ import annotations

ARCHITECTURES = (
    "llama", "mistral", "mixtral", "retnet", "retnet-hf", "transformer", "bitnet",
    "mamba", "mamba2", "mamba2-hf", "mmfreelm",
)  # fmt: skip
ARCHITECTURES_NEED = {"mmfreelm": "the mmfreelm backbone"}
GROUPED = ("llama", "mistral", "mixtral", "bitnet")
"""Those whose queries can share keys and values."""
ATTENTION_DROPPING = ("llama", "mistral", "mixtral")
"""Those whose dropout is that of attention."""
MIXING = ("llama", "mixtral")
"""Those that can have several experts."""
RECURRENT = ("retnet", "retnet-hf", "mamba", "mamba2", "mamba2-hf")
"""Those without attention, in which a position knows of nothing but those before it."""
RETENTIVE = ("retnet", "retnet-hf")
"""Those that have retention in place of attention."""
WITHOUT_MLP = ("mamba", "mamba2", "mamba2-hf")
