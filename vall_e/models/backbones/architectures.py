"""Which backbone `model.arch_type` names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from vall_e.config.model import ModelConfig

from .backbone import Backbone
from .bitnet import BitNet
from .llama import Llama
from .mamba import Mamba
from .mamba2 import Mamba2
from .mixtral import Mixtral
from .retnet import RetNet
from .transformer import Transformer


def retnet(cfg: ModelConfig) -> RetNet:
    """RetNet in the layout that the settings name."""
    return RetNet(cfg, old=cfg.experimental.retnet_layout.lower() == "old")


BACKBONES: dict[str, Callable[[ModelConfig], Backbone[Any]]] = {
    "llama": Llama,
    "mistral": Llama,
    "mixtral": Llama,
    "retnet": retnet,
    "retnet-hf": partial(RetNet, old=True),
    "transformer": Transformer,
    "bitnet": BitNet,
    "mamba": Mamba,
    "mamba2": Mamba2,
    "mamba2-hf": partial(Mamba2, expand=4, per_layer=1),
}


def build_backbone(cfg: ModelConfig) -> Backbone[Any]:
    """The backbone that the settings of a model name, its weights drawn anew."""
    return Mixtral(cfg) if cfg.experts > 1 else BACKBONES[cfg.arch_type.lower()](cfg)
