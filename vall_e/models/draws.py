"""What training draws for every sample: the level to be learnt, and what is taken from the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig

from .interleaving import interleave
from .layout import ModelInput, length_tokens
from .masking import draw_mask, masking_chance
from .prompt import Prompt
from .tokens import NULL_TEXT


def level_pool(cfg: ModelConfig) -> list[int]:
    """Target levels, each as often as it is to be drawn.

    `auto` repeats level i of lo..hi hi + 1 - i times: of eight levels the first has 8 chances in 36, the last 1.
    """
    flags = cfg.experimental
    if isinstance(flags.rvq_levels_p, list):
        return list(flags.rvq_levels_p)
    first = 0 if {"ar", "len"} & set(cfg.capabilities) else 1
    last = cfg.resp_levels - 1 if "nar" in cfg.capabilities else 0
    lowest, highest = flags.rvq_level_range or [first, last]
    if flags.rvq_levels_p == "equal":
        return list(range(lowest, highest + 1))
    return [level for level in range(lowest, highest + 1) for _ in range(highest + 1 - level)]


def draw_input(
    cfg: ModelConfig,
    text: Tensor,
    prompt: Prompt,
    response: Tensor,
    lang: int,
    generator: Generator,
    task: str = "tts",
) -> ModelInput:
    """A sample of a task for training: text int64 [N], prompt, response int [T, Q].

    Nothing is drawn for `stt`, which hears the whole response and no prompt, and for `len`.
    """
    if task == "stt":
        return ModelInput(task=task, text=text, response=response, lang=lang)
    if task == "len":
        return ModelInput(task=task, text=text, prompt=prompt, lang=lang, tone=0, length=length_tokens(len(response)))
    if cfg.experimental.interleave:
        codes = interleave(response, cfg.audio_tokens)
        spoken = ModelInput(text=text, prompt=prompt, response=codes, lang=lang, tone=0)
        return draw_condition(spoken, cfg.experimental, generator)
    level = draw_level(cfg, response.shape[1], generator)
    if _chance(masking_chance(cfg, level), generator):
        mask = draw_mask(len(response), cfg.experimental.masking_ratio, generator)
        shown = ModelInput(task=task, text=text, prompt=prompt, response=response[:, :1], lang=lang, tone=0, mask=mask)
    else:
        shown = ModelInput(task=task, text=text, level=level, prompt=prompt, response=response, lang=lang, tone=0)
        shown = draw_response(shown, cfg.experimental, cfg.audio_tokens, generator)
    return draw_condition(shown, cfg.experimental, generator)


def draw_level(cfg: ModelConfig, levels: int, generator: Generator) -> int:
    """A target level that a response of so many levels has."""
    pool = level_pool(cfg)
    return min(pool[_integer(len(pool), generator)], levels - 1)


def draw_response(sample: ModelInput, flags: ModelExperimentalConfig, stop: int, generator: Generator) -> ModelInput:
    """The response up to the sample's level, with errors and gaps.

    That of level 0 ends with `stop`; in one vocabulary all do.
    """
    assert sample.response is not None
    level, response = sample.level, sample.response[:, : sample.level + 1]
    lowest, highest = flags.token_dropout_rvq_levels
    if flags.token_dropout_error and lowest <= level <= highest:
        response = nudge(response, level, flags.token_dropout_error, stop, generator)
    if level == 0 or flags.hf:
        response = torch.cat([response, response.new_full((1, response.shape[1]), stop)])
    return replace(sample, response=response, dropped=draw_dropped(len(response), level, flags, generator))


def draw_condition(sample: ModelInput, flags: ModelExperimentalConfig, generator: Generator) -> ModelInput:
    """The sample without its prompt, its text, or both, as classifier-free guidance wants it."""
    without_prompt = _chance(flags.cfg_prom_dropout_p, generator)
    unconditional = _chance(flags.cfg_cond_dropout_p, generator)
    without_text = _chance(flags.cfg_text_dropout_p, generator)
    return replace(
        sample,
        text=torch.tensor(NULL_TEXT) if without_text or unconditional else sample.text,
        prompt=None if without_prompt or unconditional else sample.prompt,
    )


def draw_dropped(length: int, level: int, flags: ModelExperimentalConfig, generator: Generator) -> Tensor | None:
    """Response frames bool [T] that training hides, or None; never that of the stop code, the last of level 0."""
    lowest, highest = flags.token_dropout_rvq_levels
    if not flags.token_dropout_rate or not lowest <= level <= highest:
        return None
    dropped = torch.rand(length, generator=generator) < flags.token_dropout_rate
    if level == 0:
        dropped[-1] = False
    return dropped


def draw_skipped_layers(chances: Sequence[float], generator: Generator) -> frozenset[int]:
    """Indices of layers that are left out, each with its chance."""
    drawn = torch.rand(len(chances), generator=generator).tolist()
    return frozenset(index for index, chance in enumerate(chances) if drawn[index] < chance)


def nudge(response: Tensor, level: int, chance: float, stop: int, generator: Generator) -> Tensor:
    """Move codes below `level` up or down by one with a chance, staying within 1 and `stop` - 2: [T, Q] -> [T, Q]."""
    prior = response[:, :level]
    moved = torch.rand(prior.shape, generator=generator) < chance
    step = torch.randint(0, 2, prior.shape, generator=generator, dtype=prior.dtype) * 2 - 1
    prior = torch.where(moved, (prior + step).clamp(1, stop - 2), prior)
    return torch.cat([prior, response[:, level:]], 1)


def _integer(below: int, generator: Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


def _chance(p: float, generator: Generator) -> bool:
    return p > 0 and float(torch.rand((), generator=generator)) < p
