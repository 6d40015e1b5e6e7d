"""A model with the adapters that speak with it: those of a checkpoint, or of files beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vall_e.config.lora import LoraConfig
from vall_e.models.build import build_model
from vall_e.models.lora.attach import attach
from vall_e.models.lora.loading import attach_trained
from vall_e.models.vall_e import VallE
from vall_e.models.weights.fit import fit
from vall_e.models.weights.weights_file import WeightsContent

from .adapter_state import take_adapters
from .checkpoint import WEIGHTS


@torch.no_grad()
def with_own_adapters(
    content: WeightsContent, checkpoint: Path, settings: Mapping[str, dict[str, Any]], averages: Mapping[str, Tensor]
) -> VallE:
    """The model of a checkpoint with its adapters; `averages` take the place of the parameters of their names."""
    model = _plain(content, checkpoint / WEIGHTS)
    attach(model, {name: LoraConfig(**own) for name, own in settings.items()})
    take_adapters(model, checkpoint)
    for name, average in averages.items():
        model.get_parameter(name).copy_(average)
    return model


def with_adapters_of_files(content: WeightsContent, weights: Path, loras: Mapping[str, LoraConfig]) -> VallE:
    """The model of a weights file with adapters, each from its own; errors as of `attach_trained`."""
    model = _plain(content, weights)
    attach_trained(model, loras, content.tokenizer, content.codec)
    return model


def _plain(content: WeightsContent, path: Path) -> VallE:
    model = build_model(content.config).to(content.separator.dtype)
    fit(model, content.tensors, path)
    return model.eval()
