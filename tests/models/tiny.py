"""Small models and samples for the tests of models and decoding."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.models.build import build_model
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

TINY = {"dim": 32, "heads": 2, "layers": 2}
STOP = 1024


def tiny_config(flags: dict[str, Any] | None = None, **settings: Any) -> ModelConfig:
    experimental = ModelExperimentalConfig(**({"layerskip_p_max": 0.0} | (flags or {})))
    return ModelConfig(**({"size": TINY, "langs": 4, "dropout": 0.0, "experimental": experimental} | settings))


def tiny_model(flags: dict[str, Any] | None = None, **settings: Any) -> VallE:
    """A model in eval mode whose weights are large enough for every input to show in its output."""
    model = build_model(tiny_config(flags, **settings))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            maps = parameter.ndim == 2 and ("proj" in name or name.startswith("model."))
            spread = 2 / math.sqrt(parameter.shape[-1]) if maps else 0.5
            noise = spread * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.2 * noise if "norm" in name else noise)
    return model.eval()


def draw_codes(frames: int, seed: int = 0, levels: int = 8) -> Tensor:
    """int16 [frames, levels]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1024, (frames, levels), generator=generator, dtype=torch.int16)


def draw_text(length: int, seed: int = 0) -> Tensor:
    """int64 [length] between bos and eos."""
    generator = torch.Generator().manual_seed(seed)
    inner = torch.randint(3, 256, (length - 2,), generator=generator)
    return torch.cat([torch.tensor([1]), inner, torch.tensor([2])])


def with_stop(response: Tensor) -> Tensor:
    """Level 0 of a response and a stop: int16 [T + 1, 1]."""
    return torch.cat([response[:, :1], response.new_full((1, 1), STOP)])


def speech(level: int, seed: int = 0, frames: int = 6, **changes: Any) -> ModelInput:
    """A `tts` sample as training shows it."""
    response = draw_codes(frames, seed + 100)
    response = response[:, : level + 1] if level else with_stop(response)
    settings: dict[str, Any] = {
        "text": draw_text(5 + seed % 3, seed),
        "level": level,
        "prompt": draw_codes(4 + seed % 2, seed + 200),
        "response": response,
        "lang": 0,
    }
    return ModelInput(**(settings | changes))
