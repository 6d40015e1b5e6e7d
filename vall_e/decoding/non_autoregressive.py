"""Non-autoregressive decoding: all frames of an RVQ level at once, level after level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.models.layout import ModelInput
from vall_e.models.lora.levels import at_level
from vall_e.models.vall_e import VallE

from .guidance import Guidance, guidance, unconditional
from .sampling.dice import Dice
from .sampling.draw import pick, upper_level_draw


def decoded_levels(cfg: ModelConfig, sampling: SamplingConfig) -> int:
    """RVQ levels that speech gets: level 0 alone without `nar`."""
    return min(sampling.max_levels + 1, cfg.resp_levels) if "nar" in cfg.capabilities else 1


@torch.inference_mode()
def decode_levels(
    model: VallE,
    prefixes: Sequence[ModelInput],
    first: Sequence[Tensor],
    sampling: SamplingConfig,
    dice: Sequence[Dice],
    known: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Levels above 0 for given codes of level 0, int [T] each -> int64 [T, Q] each; Q is 1 without `nar`.

    known: codes int [K, Q] of the first K <= T frames of each, which stay as they are; none without it.
    """
    codes = [level_zero[:, None].long() for level_zero in first]
    settled = known or [level_zero.new_zeros(0, model.cfg.resp_levels) for level_zero in first]
    draw, guide = upper_level_draw(sampling), guidance(sampling)
    for level in range(1, decoded_levels(model.cfg, sampling)):
        samples = [replace(p, level=level, response=model.spoken(c)) for p, c in zip(prefixes, codes, strict=True)]
        with at_level(model, level, sampling.use_lora):
            logits = frame_logits(model, samples, guide)
        for row, (row_logits, one, before) in enumerate(zip(logits, dice, settled, strict=True)):
            frames = len(codes[row])
            thrown = one.throw((level,), frames)
            chosen = pick(row_logits[:frames, : model.stop], draw, thrown).cpu()
            chosen[: len(before)] = before[:, level]
            codes[row] = torch.cat([codes[row], chosen[:, None]], 1)
    return codes


def frame_logits(model: VallE, samples: Sequence[ModelInput], guide: Guidance | None = None) -> list[Tensor]:
    """Logits of every response frame, by the head that the samples share, guided if wanted: float32 [T, V] each."""
    packed = model.pack([*samples, *map(unconditional, samples)] if guide else samples)
    hidden = torch.split(model.hidden(packed), packed.lengths)
    frames = [h[layout.segment("resp").start :] for h, layout in zip(hidden, packed.layouts, strict=True)]
    logits = model.logits(packed.layouts[0].head, torch.cat(frames)).float()
    rows = torch.split(logits, [len(f) for f in frames])
    if guide is None:
        return list(rows)
    both = zip(rows[: len(samples)], rows[len(samples) :], strict=True)
    return [guide.combine(conditional, null) for conditional, null in both]
