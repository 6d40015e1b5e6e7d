"""Non-autoregressive decoding: all frames of an RVQ level at once, level after level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.models.layout import ModelInput
from vall_e.models.lora.levels import at_level
from vall_e.models.vall_e import VallE

from .samplers import pick, upper_level_draw


@torch.inference_mode()
def decode_levels(
    model: VallE,
    prefixes: Sequence[ModelInput],
    first: Sequence[Tensor],
    sampling: SamplingConfig,
    generators: Sequence[Generator],
) -> list[Tensor]:
    """Levels above 0 for given codes of level 0, int [T] each -> int64 [T, Q] each; Q is 1 without `nar`."""
    codes = [level_zero[:, None].long() for level_zero in first]
    levels = min(sampling.max_levels + 1, model.cfg.resp_levels) if "nar" in model.cfg.capabilities else 1
    draw = upper_level_draw(sampling)
    for level in range(1, levels):
        with at_level(model, level, sampling.use_lora):
            logits = level_logits(model, prefixes, codes, level)
        for row, (row_logits, generator) in enumerate(zip(logits, generators, strict=True)):
            chosen = pick(row_logits, draw, generator)
            codes[row] = torch.cat([codes[row], chosen[:, None].cpu()], 1)
    return codes


def level_logits(model: VallE, prefixes: Sequence[ModelInput], codes: Sequence[Tensor], level: int) -> list[Tensor]:
    """Logits of `level` for every frame: codes int [T, level] each -> [T, V] each."""
    samples = [replace(p, level=level, response=c) for p, c in zip(prefixes, codes, strict=True)]
    packed = model.pack(samples)
    hidden = torch.split(model.hidden(packed), packed.lengths)
    frames = [h[layout.segment("resp").start :] for h, layout in zip(hidden, packed.layouts, strict=True)]
    logits = model.logits(f"NAR:{level - 1}:{level}", torch.cat(frames))
    return list(torch.split(logits, [len(f) for f in frames]))
