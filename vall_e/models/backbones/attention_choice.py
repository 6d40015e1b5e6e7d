"""What `model.attention` chooses, and what of it this machine lacks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from vall_e.config.model import ATTENTIONS, ATTENTIONS_NEED, VARLEN_ATTENTIONS
from vall_e.errors import ConfigError

from .attention import Attention, PackedAttention
from .varlen_attention import VarlenAttention, flash_attn_kernel, torch_kernel


def packed_attention(name: str, lengths: Sequence[int], causal: Sequence[bool], dropout: float = 0.0) -> Attention:
    """For one batch: sequence by sequence, or all in one call where the choice has a kernel for that."""
    name = name.lower()
    if name == "flex":
        from .flex_attention import FlexAttention  # which older versions of torch lack

        return FlexAttention(lengths, causal, dropout)
    if name in VARLEN_ATTENTIONS:
        kernel = torch_kernel if name == "varlen" else flash_attn_kernel
        return VarlenAttention(name, kernel, lengths, causal, dropout)
    return PackedAttention(lengths, causal, dropout, name)


def check_available(name: str) -> None:
    """ConfigError if this machine lacks what the choice needs."""
    if needed := missing(name):
        available = ", ".join(a for a in ATTENTIONS if a not in ATTENTIONS_NEED and not missing(a))
        raise ConfigError(f"model.attention={name} is not available: needs {needed} (available: {available})")


def missing(name: str) -> str:
    """What the choice needs and is not installed, or nothing."""
    name = name.lower()
    if name == "flex" and not _has("torch.nn.attention.flex_attention", "AuxRequest"):
        return "torch 2.9 or newer"
    if name == "varlen" and not _has("torch.nn.attention.varlen", "varlen_attn", "window_size"):
        return "torch 2.11 or newer"
    if name in VARLEN_ATTENTIONS[1:] and find_spec("flash_attn") is None:
        return "the package flash-attn"
    return ""


def _has(module: str, name: str, parameter: str = "") -> bool:
    """Whether a module has this name, and its parameter."""
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        return False
    return found is not None and (not parameter or parameter in inspect.signature(found).parameters)
