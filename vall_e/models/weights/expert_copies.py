"""A model whose MLPs become mixtures of experts, each expert a copy of the MLP."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator, Tensor

from vall_e.errors import ConfigError

from .weights_file import WeightsContent

EXPERT = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
"""Linear maps of an MLP and of an expert."""


def copy_experts(content: WeightsContent, experts: int) -> WeightsContent:
    """Weights that say the same, as all experts are alike, until training sets them apart; routers are drawn anew.

    ConfigError if the backbone is not LLaMA with one MLP a layer.
    """
    cfg = content.config
    if cfg.arch_type.lower() != "llama" or cfg.experts > 1:
        raise ConfigError(f"moe_ify=true copies the MLPs of LLaMA layers, and these weights are of {cfg.full_name}")
    generator, sep = Generator().manual_seed(0), content.separator
    tensors: dict[str, Tensor] = {"model.embed_tokens.weight": sep.new_zeros(cfg.audio_tokens + 1, len(sep))}
    for name, tensor in content.tensors.items():
        layer, _, linear = name.removesuffix(".weight").rpartition(".mlp.")
        if linear not in EXPERT:
            tensors[name] = tensor
            continue
        mixture = f"{layer}.block_sparse_moe"
        gate = 0.02 * torch.randn(experts, len(sep), generator=generator)
        tensors.setdefault(f"{mixture}.gate.weight", gate.to(sep.dtype))
        for expert in range(experts):
            tensors[f"{mixture}.experts.{expert}.{EXPERT[linear]}.weight"] = tensor.clone()
    return replace(content, tensors=tensors, config=replace(cfg, experts=experts))
