"""What the model is shown in each pass of a fixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vall_e.decoding.guidance import unconditional
from vall_e.models.layout import ModelInput, length_tokens

from .fixture import Fixture, Given

Passes = dict[str, list[ModelInput]]
"""Samples by the name of the pass."""

MIXED = "mixed_"
"""Begins the name of a pass with a response of its own, which the model half agrees with."""

UNLEARNT = "masked_by_token"
"""The pass whose response does not tell the codes that are hidden."""


def passes(fixture: Fixture) -> Passes:
    """Every pass that the capabilities of the model permit."""
    return batches(fixture) if fixture.batched else single_passes(fixture)


def single_passes(fixture: Fixture) -> Passes:
    """Passes of one sample: `ar`, `nar1`.., `stt`, `len`, the masked ones, and those with a response of their own."""
    given, cfg = fixture.samples[0], fixture.config
    found = {"stt": sample(given, "stt", 0, cfg.audio_tokens)}
    if "ar" in cfg.capabilities:
        found["ar"] = sample(given, "tts", 0, cfg.audio_tokens)
    if "nar" in cfg.capabilities:
        found |= {f"nar{q}": sample(given, "tts", q, cfg.audio_tokens) for q in range(1, cfg.resp_levels)}
    if "len" in cfg.capabilities:
        found["len"] = sample(given, "len", 0, cfg.audio_tokens)
        found |= masked_passes(given, cfg.audio_tokens)
    return {name: [shown] for name, shown in (found | mixed_passes(fixture)).items()}


def masked_passes(given: Given, hidden: int) -> dict[str, ModelInput]:
    """Level 0 with hidden frames, told by a mask or by their code, and the same without text and prompt."""
    if given.mask is None:
        return {}
    masked = replace(sample(given, "tts", 0, hidden), response=given.response[:, :1], mask=given.mask)
    covered = given.response[:, :1].masked_fill(given.mask[:, None], hidden)
    by_token = replace(masked, response=covered, mask=covered[:, 0] == hidden)
    return {"masked": masked, UNLEARNT: by_token, "null": unconditional(masked)}


def mixed_passes(fixture: Fixture) -> dict[str, ModelInput]:
    """For example `mixed_nar3` from the input `mixed_nar3.resp`."""
    found, stop = {}, fixture.config.audio_tokens
    for name, response in fixture.extra.items():
        mixed = name.removesuffix(".resp")
        level = 0 if mixed.endswith("ar") and "nar" not in mixed else int(mixed.removeprefix(f"{MIXED}nar"))
        found[mixed] = sample(replace(fixture.samples[0], response=response), "tts", level, stop)
    return found


def batches(fixture: Fixture) -> Passes:
    """The batches that `meta.json` lists with the task and level of each sample, and level 3 of all samples."""
    stop, found = fixture.config.audio_tokens, {}
    for name in (key for key, value in fixture.meta.items() if key.startswith("batch") and isinstance(value, dict)):
        told, segments = fixture.meta[name], fixture.meta["segments"][name]
        drawn = zip(fixture.samples, told["task"], told["levels"], segments, strict=True)
        found[name] = [with_tasks(sample(given, task, level, stop), parts) for given, task, level, parts in drawn]
    if "nar" in fixture.config.capabilities:
        found["nar3all"] = [sample(given, "tts", 3, stop) for given in fixture.samples]
    return found


def sample(given: Given, task: str, level: int, stop: int) -> ModelInput:
    """A sample as training shows it."""
    shown = ModelInput(
        task=task,
        text=given.text,
        level=level,
        prompt=None if task == "stt" else given.prompt,
        response=given.response if task == "stt" else given.response[:, : level + 1],
        lang=given.lang,
        tone=given.tone,
    )
    if task == "len":
        return replace(shown, response=None, length=length_tokens(len(given.response)))
    return replace(shown, response=with_stop(given.response, stop)) if task == "tts" and level == 0 else shown


def with_stop(response: Tensor, stop: int) -> Tensor:
    """Level 0 and the stop code: int64 [T + 1, 1]."""
    return torch.cat([response[:, :1], response.new_full((1, 1), stop)])


def with_tasks(shown: ModelInput, segments: Sequence[Any]) -> ModelInput:
    """The sample with those names of tasks behind its prompt that the listed segments have there."""
    listed: Mapping[str, Any] = dict(segments)
    names = [piece for piece in listed.get("prom", []) if isinstance(piece, str)]
    if not names or not isinstance(shown.prompt, Tensor):
        return shown
    return replace(shown, prompt=(shown.prompt, *names))
