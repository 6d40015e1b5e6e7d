"""Masked decoding of level 0 (NAR-len): all frames at once, then the least certain again, fewer at every step.

The schedule is that of MaskGIT (arXiv:2202.04200). Axes: T frames, V ids of a head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.models.layout import ModelInput
from vall_e.models.lora.levels import at_level
from vall_e.models.masking import hidden_share
from vall_e.models.vall_e import VallE

from .finish import Finish
from .guidance import guidance
from .length import predict_lengths
from .non_autoregressive import frame_logits
from .response import Answer, Response
from .sampling.dice import Dice
from .sampling.draw import Draw, level_zero_draw, pick


@dataclass
class Canvas:
    """Codes int64 [T] of an utterance, the mask's id where hidden, and the doubts float [T] about each: 0 is sure.

    before: int64 [B], codes that stand before them and are not hidden.
    """

    codes: Tensor
    doubts: Tensor
    before: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    def hide(self, count: int, mask: int) -> Tensor:
        """Hide the `count` most doubtful frames; returns all hidden ones, bool [T]."""
        self.codes[self.doubts.topk(count).indices] = mask
        return self.codes == mask

    def shown(self, prefix: ModelInput, hidden: Tensor) -> ModelInput:
        """What the model is shown of it: hidden bool [T]."""
        codes = torch.cat([self.before, self.codes])
        mask = torch.cat([torch.zeros(len(self.before), dtype=torch.bool), hidden])
        return replace(prefix, level=0, response=codes[:, None], mask=mask)

    def fill(self, hidden: Tensor, codes: Tensor, doubts: Tensor) -> None:
        """Say the hidden frames, values [hidden frames]; no other is in doubt any more."""
        self.codes[hidden] = codes
        self.doubts = torch.zeros_like(self.doubts)
        self.doubts[hidden] = doubts


def say_masked(model: VallE, responses: Sequence[Response], sampling: SamplingConfig) -> list[Answer]:
    """Level 0 as long as its draft, as the request says, or as the model predicts."""
    requests, longest = [response.request for response in responses], sampling.max_duration
    prefixes, dice = [request.for_upper_levels() for request in requests], [response.dice for response in responses]
    with at_level(model, 0, sampling.use_lora):
        predicted = predict_lengths(model, [r.for_length() for r in requests])
        lengths = [
            len(request.draft) if request.draft is not None and sampling.denoise_start else request.frames or frames
            for request, frames in zip(requests, predicted, strict=True)
        ]
        canvases = [
            blank(min(max(frames, 1), longest), model.stop)
            if request.draft is None or not sampling.denoise_start
            else draft(request.draft[:longest], sampling.denoise_start, one)
            for request, frames, one in zip(requests, lengths, dice, strict=True)
        ]
        for canvas, response in zip(canvases, responses, strict=True):
            canvas.before = torch.cat([response.before, response.opening])[:, 0]
        said = decode_masked(model, prefixes, canvases, sampling, dice)
    ends = [Finish.length if frames > longest else Finish.stop for frames in lengths]
    whole = [response.whole(codes.tolist()) for codes, response in zip(said, responses, strict=True)]
    return [Answer(codes, finish) for codes, finish in zip(whole, ends, strict=True)]


@torch.inference_mode()
def decode_masked(
    model: VallE,
    prefixes: Sequence[ModelInput],
    canvases: Sequence[Canvas],
    sampling: SamplingConfig,
    dice: Sequence[Dice],
) -> list[Tensor]:
    """Codes of level 0 for each prefix: int64 [T], T that of its canvas; a row's codes do not depend on the others."""
    steps = max(1, math.floor(round(sampling.max_steps * (1 - sampling.denoise_start), 6)))
    guide, draw = guidance(sampling, sampling.minimum_cfg_strength), level_zero_draw(sampling)
    for step, time in enumerate(torch.linspace(sampling.denoise_start, 1, steps).tolist()):
        extra = 1 / steps if sampling.remasking else 0.0
        hidden = [c.hide(hidden_frames(time, len(c.codes), extra), model.stop) for c in canvases]
        samples = [canvas.shown(prefix, mask) for prefix, canvas, mask in zip(prefixes, canvases, hidden, strict=True)]
        cooled = cool(draw, time) if sampling.annealed_sampling else draw
        logits = frame_logits(model, samples, guide)
        for canvas, mask, rows, one in zip(canvases, hidden, logits, dice, strict=True):
            thrown = one.throw((0, step), len(mask))[mask]
            canvas.fill(mask, *draw_codes(rows.cpu()[len(canvas.before) :][mask], cooled, model.stop, thrown))
    return [canvas.codes for canvas in canvases]


def blank(frames: int, mask: int) -> Canvas:
    """A canvas of hidden frames."""
    return Canvas(torch.full((frames,), mask), torch.ones(frames))


def draft(codes: Tensor, start: float, dice: Dice) -> Canvas:
    """A canvas of given codes int [T], of which those are in doubt that a time `start` would hide by chance."""
    doubtful = dice.throw((0,), len(codes)) < hidden_share(start)
    return Canvas(codes.long().clone(), doubtful.float())


def hidden_frames(time: float, frames: int, extra: float = 0.0) -> int:
    """How many of the frames are hidden at a time of 0 to 1, by a share that is `extra` above the schedule's."""
    return min(frames, max(1, math.floor((hidden_share(time) + extra) * frames)))


def cool(draw: Draw, time: float) -> Draw:
    """The draw with a temperature that falls to 0 as time goes from 0 to 1."""
    temperature = draw.temperature * (1 - time)
    return replace(draw, temperature=temperature, min_temperature=min(draw.min_temperature, temperature))


def draw_codes(logits: Tensor, draw: Draw, stop: int, thrown: Tensor) -> tuple[Tensor, Tensor]:
    """Codes int64 [M] and the doubts about them, 1 - probability, float [M], from logits [M, V] and numbers [M]."""
    codes = pick(logits[:, :stop], draw, thrown)
    return codes, 1 - logits.softmax(-1).gather(1, codes[:, None])[:, 0]
