"""Decoding of levels that take turns: one code after another, frame after frame, through a cache.

Axes: B rows, C codes, Q RVQ levels, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.models.interleaving import frames_of
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .autoregressive import next_positions
from .finish import Finish, Guard
from .guidance import Guidance, RunningGuidance, guidance, unconditional
from .penalties import penalise
from .samplers import Draw, level_zero_draw, pick, upper_level_draw

Choose = Callable[[int, int, Tensor, Sequence[int]], int]
"""(row, level, logits [V], codes of that level so far) -> the next code."""


@torch.inference_mode()
def say_interleaved(
    model: VallE, prefixes: Sequence[ModelInput], sampling: SamplingConfig, generators: Sequence[Generator]
) -> tuple[list[Tensor], list[Finish]]:
    """Whole frames until the model stops or is stopped: int64 [T, Q] each, and why they end."""
    draws = level_zero_draw(sampling), upper_level_draw(sampling)
    guards = [Guard(sampling, len(prefix.text)) for prefix in prefixes]

    def choose(row: int, level: int, logits: Tensor, previous: Sequence[int]) -> int:
        if level:
            return _pick(logits[: model.stop], draws[1], generators[row])
        if guards[row].verdict(previous):
            return model.stop
        return _pick(penalise(logits, previous, model.stop, sampling), draws[0], generators[row])

    said = decode_turns(model, prefixes, sampling.max_duration, choose, guidance(sampling))
    first = [codes[:, 0].tolist() for codes in said]
    ends = [guard.verdict(codes) or Finish.stop for guard, codes in zip(guards, first, strict=True)]
    kept = [len(guard.kept(codes)) for guard, codes in zip(guards, first, strict=True)]
    return [codes[:frames] for codes, frames in zip(said, kept, strict=True)], ends


def decode_turns(
    model: VallE, prefixes: Sequence[ModelInput], longest: int, choose: Choose, guide: Guidance | None = None
) -> list[Tensor]:
    """Frames int64 [T, Q] after every prefix until its stop code, at most `longest`; rows do not depend on others.

    With guidance each row has a second sequence, without text and prompt, that is told the same codes.
    """
    running = RunningGuidance(guide) if guide else None
    packed = model.pack([*prefixes, *map(unconditional, prefixes)] if guide else prefixes)
    rows, sequences, levels = len(prefixes), len(packed.layouts), model.cfg.resp_levels
    cache = model.model.cache(sequences, max(packed.lengths) + longest * levels, packed.embeddings)
    hidden = model.hidden(packed, cache.prefill(packed.lengths))
    hidden = hidden[(torch.tensor(packed.lengths).cumsum(0) - 1).to(hidden.device)]
    positions = next_positions(model, packed.layouts)
    codes: list[list[int]] = [[] for _ in prefixes]
    speaking = set(range(rows))
    for step in range(longest * levels):
        level = step % levels
        logits = model.logits(f"AR:{level}:{level}", hidden).float()
        logits = running.combine(logits) if running else logits
        chosen = [choose(r, level, logits[r], codes[r][level::levels]) if r in speaking else 0 for r in range(rows)]
        speaking = {row for row in speaking if chosen[row] != model.stop}
        for row in speaking:
            codes[row].append(chosen[row])
        if not speaking:
            break
        told = torch.tensor(chosen * (sequences // rows), device=model.device)
        hidden, _ = model.model(model.resps_emb.read(level, told), positions + step, cache.step())
    return [frames_of(row, levels) for row in codes]


def _pick(logits: Tensor, draw: Draw, generator: Generator) -> int:
    return int(pick(logits[None], draw, generator))
