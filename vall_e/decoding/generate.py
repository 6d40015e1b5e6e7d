"""Text tokens and a voice prompt to codec tokens: AR for level 0, NAR for the levels above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.errors import ConfigError
from vall_e.models.layout import ModelInput
from vall_e.models.lora.levels import at_level
from vall_e.models.vall_e import VallE

from .autoregressive import decode_level_zero, seeded
from .non_autoregressive import decode_levels
from .penalties import penalise
from .samplers import level_zero_draw, pick


@dataclass(kw_only=True)
class SpeechRequest:
    """What to say and in which voice.

    tokens: int64 [N] with bos and eos; prompt: int [P, Q], or None for a voice of the model's choice.
    """

    tokens: Tensor
    prompt: Tensor | None
    lang: int = 0


@torch.inference_mode()
def generate_speech(
    model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int
) -> list[Tensor]:
    """Codes int16 [T, Q] per request, T at most `sampling.max_duration`; T is 0 if the model says nothing.

    `model` is in eval mode. A request gets the same codes alone and in a batch. ConfigError without `ar`.
    """
    if "ar" not in model.cfg.capabilities:
        raise ConfigError(f"model.capabilities={model.cfg.capabilities} cannot begin speech: level 0 needs ar")
    prefixes = [ModelInput(text=r.tokens, prompt=r.prompt, lang=r.lang, tone=0) for r in requests]
    generators = seeded(seed, len(requests))

    draw = level_zero_draw(sampling)

    def choose(row: int, logits: Tensor, previous: list[int]) -> int:
        return int(pick(penalise(logits, previous, model.stop, sampling)[None], draw, generators[row]))

    with at_level(model, 0, sampling.use_lora):
        first = decode_level_zero(model, prefixes, sampling.max_duration, choose)
    spoken = [row for row, codes in enumerate(first) if len(codes)]
    finished = [torch.zeros(0, model.cfg.resp_levels, dtype=torch.int16) for _ in requests]
    if spoken:
        chosen = ([prefixes[r] for r in spoken], [first[r] for r in spoken])
        codes = decode_levels(model, *chosen, sampling, [generators[r] for r in spoken])
        for row, levels in zip(spoken, codes, strict=True):
            finished[row] = levels.to(torch.int16)
    return finished
