"""Which modules of a model are swapped, and for what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from vall_e.config.optimizations import OptimizationsConfig
from vall_e.errors import MissingExtra

from ..backbones.bit_linear import BitLinear
from ..vall_e import VallE
from .float8 import require_float8, to_float8

PARTS: dict[str, Callable[[VallE], nn.Module]] = {"backbone": lambda model: model.model, "model": lambda model: model}
"""What a swap is about: with `model` the heads are swapped, too."""

M = TypeVar("M", bound=nn.Module)

log = logging.getLogger(__name__)


def swap_modules(model: VallE, told: OptimizationsConfig, device: torch.device) -> VallE:
    """The model, in which linear layers of the backbone and embeddings were swapped in place, as the settings tell.

    With `injects` the heads are swapped, too. ConfigError where `device` lacks what the new modules need, MissingExtra
    where their package is missing.
    """
    if not told.swapped_modules:
        return model
    linears = embeddings = 0
    if told.linear:
        linears = swap(PARTS[told.swapped_part](model), nn.Linear, linear_swap(told, device))
    if told.embedding and told.bitsandbytes:
        embeddings = swap(model, nn.Embedding, embedding_swap())
    log.info("Swapped for %s: %d linear layers, %d embeddings", told.swapped_modules, linears, embeddings)
    if told.injects:
        log.warning("optimizations.injects=true swaps the heads, too, at a loss of accuracy that replace=true avoids")
    return model


def to_bitnet(model: VallE, part: str) -> None:
    """Make the linear layers of a part of the model BitNet's."""
    swap(PARTS[part](model), nn.Linear, lambda linear: like(linear, BitLinear))


def checked_part(name: str) -> str:
    """`name`, of PARTS or empty; else ValueError."""
    if name and name not in PARTS:
        raise ValueError(f"{name!r} is no part of a model, allowed: {', '.join(PARTS)}")
    return name


def linear_swap(told: OptimizationsConfig, device: torch.device) -> Callable[[nn.Linear], nn.Module]:
    """What becomes of a linear layer."""
    if told.bitnet:
        return lambda linear: like(linear, BitLinear)
    if told.fp8:
        require_float8(device)
        return to_float8
    require_bitsandbytes()
    from .eight_bit import EightBitLinear

    return lambda linear: like(linear, EightBitLinear)


def embedding_swap() -> Callable[[nn.Embedding], nn.Module]:
    """What becomes of an embedding."""
    require_bitsandbytes()
    from .eight_bit import stable_embedding

    return stable_embedding


def require_bitsandbytes() -> None:
    """MissingExtra without the package."""
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingExtra("bitsandbytes", "bitsandbytes", "optimizations.bitsandbytes=true") from error


def swap(root: nn.Module, kind: type[M], made_of: Callable[[M], nn.Module]) -> int:
    """Swap all modules of just this kind below `root`; returns how many there were."""
    found = [
        (parent, name, child)
        for parent in root.modules()
        for name, child in parent.named_children()
        if type(child) is kind
    ]
    for parent, name, child in found:
        setattr(parent, name, made_of(child))
    return len(found)


def like(linear: nn.Linear, kind: type[nn.Linear]) -> nn.Linear:
    """A layer of another kind with the very parameters of `linear`."""
    made = kind(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
    made.weight, made.bias = linear.weight, linear.bias
    return made
