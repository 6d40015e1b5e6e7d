"""Models with adapters, and what they say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.models.tiny import speech, tiny_model
from vall_e.config.lora import LoraConfig
from vall_e.models.lora.attach import attach
from vall_e.models.lora.tensors import adapter_state_dict
from vall_e.models.vall_e import VallE


def adapted(model: VallE | None = None, **loras: LoraConfig) -> VallE:
    """A model with adapters that have learnt something."""
    model = model or tiny_model()
    attach(model, loras)
    for number, name in enumerate(loras):
        learn(model, name, number)
    return model


def learn(model: VallE, name: str, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _, tensor in sorted(adapter_state_dict(model, name).items()):
        tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))


@torch.no_grad()
def logits(model: VallE, levels: Sequence[int] = (0, 3)) -> Tensor:
    """Of one sample of each level, what each position tells."""
    found = []
    for level in levels:
        packed = model.pack([speech(level)])
        found.append(model.logits(packed.layouts[0].head, model.hidden(packed))[:, :1024])
    return torch.cat(found)


def same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-5, atol=1e-5)
