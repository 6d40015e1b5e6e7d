"""Text tokens and a voice prompt to codec tokens: AR or masked for level 0, NAR for the levels above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.errors import ConfigError
from vall_e.models.layout import ModelInput
from vall_e.models.lora.levels import at_level
from vall_e.models.vall_e import VallE

from .autoregressive import decode_level_zero, seeded
from .guidance import guidance
from .length import predict_lengths
from .masked import blank, decode_masked, draft
from .non_autoregressive import decode_levels
from .penalties import penalise
from .samplers import level_zero_draw, pick


@dataclass(kw_only=True)
class SpeechRequest:
    """What to say and in which voice.

    tokens: int64 [N] with bos and eos; prompt: int [P, Q], or None for a voice of the model's choice; draft: int [T],
    codes of level 0 that masked decoding betters from `denoise_start` on, or None to begin from nothing.
    """

    tokens: Tensor
    prompt: Tensor | None
    lang: int = 0
    draft: Tensor | None = None


@torch.inference_mode()
def generate_speech(
    model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int
) -> list[Tensor]:
    """Codes int16 [T, Q] per request, T at most `sampling.max_duration`; T is 0 if the model says nothing.

    `model` is in eval mode. A request gets the same codes alone and in a batch. ConfigError if the model cannot begin
    speech as `sampling.modality` wants it.
    """
    prefixes = [ModelInput(text=r.tokens, prompt=r.prompt, lang=r.lang, tone=0) for r in requests]
    generators = seeded(seed, len(requests))
    with at_level(model, 0, sampling.use_lora):
        if is_masked(model.cfg, sampling.modality):
            drafts = [request.draft for request in requests]
            first = say_masked(model, prefixes, drafts, sampling, generators)
        else:
            first = say_code_by_code(model, prefixes, sampling, generators)
    spoken = [row for row, codes in enumerate(first) if len(codes)]
    finished = [torch.zeros(0, model.cfg.resp_levels, dtype=torch.int16) for _ in requests]
    if spoken:
        chosen = ([prefixes[r] for r in spoken], [first[r] for r in spoken])
        codes = decode_levels(model, *chosen, sampling, [generators[r] for r in spoken])
        for row, levels in zip(spoken, codes, strict=True):
            finished[row] = levels.to(torch.int16)
    return finished


def is_masked(cfg: ModelConfig, modality: str) -> bool:
    """Whether level 0 is decoded masked, not code by code: `auto` does if the model can, unless it is named ar+nar.

    ConfigError if the model lacks the capability.
    """
    able, wanted = cfg.capabilities, modality.lower()
    masked = wanted == "nar-len"
    if wanted == "auto":
        masked = "len" in able and not (cfg.name == "ar+nar" and "ar" in able)
    needed = "len" if masked else "ar"
    if needed not in able:
        raise ConfigError(f"modality={modality}: level 0 needs {needed} among model.capabilities={able}")
    return masked


def say_code_by_code(
    model: VallE, prefixes: Sequence[ModelInput], sampling: SamplingConfig, generators: Sequence[Generator]
) -> list[Tensor]:
    """Level 0 until the model stops: int64 [T] each."""
    draw = level_zero_draw(sampling)

    def choose(row: int, logits: Tensor, previous: list[int]) -> int:
        return int(pick(penalise(logits, previous, model.stop, sampling)[None], draw, generators[row]))

    return decode_level_zero(model, prefixes, sampling.max_duration, choose, guidance(sampling))


def say_masked(
    model: VallE,
    prefixes: Sequence[ModelInput],
    drafts: Sequence[Tensor | None],
    sampling: SamplingConfig,
    generators: Sequence[Generator],
) -> list[Tensor]:
    """Level 0 as long as the model predicts, or as long as its draft: int64 [T] each."""
    lengths = predict_lengths(model, prefixes)
    canvases = [
        blank(min(max(frames, 1), sampling.max_duration), model.stop)
        if codes is None or not sampling.denoise_start
        else draft(codes[: sampling.max_duration], sampling.denoise_start, generator)
        for codes, frames, generator in zip(drafts, lengths, generators, strict=True)
    ]
    return decode_masked(model, prefixes, canvases, sampling, generators)
