"""Text tokens and a voice prompt to codec tokens: AR or masked for level 0, NAR for the levels above."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.errors import ConfigError
from vall_e.models.lora.levels import at_level
from vall_e.models.vall_e import VallE

from .autoregressive import replies
from .guidance import guidance
from .masked import say_masked
from .reply import Choose, Reply
from .request import Part, Said, SpeechRequest
from .response import Response, answer_in_full
from .sampling.beam import BeamSearch
from .sampling.dice import seeded
from .sampling.level_zero import LevelZeroChoice
from .sampling.penalties import penalises
from .sequences.interleaved import TurnsChoice, frames_said
from .sequences.opening import open_level_zero
from .stepping import inside


@torch.inference_mode()
def generate_speech(
    model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int, rows: int | None = None
) -> list[Said]:
    """What the model says to each request, of at most `sampling.max_duration` frames; `rows` or all run at once.

    `model` is in eval mode. A request gets the same codes alone, in a batch and from `stream_speech`. ConfigError if
    the model cannot begin speech as `sampling.modality` wants it.
    """
    rows = rows or max(1, len(requests))
    if sampling.chunk_frames or model.cfg.experimental.interleave or is_masked(model.cfg, sampling.modality):
        return joined(list(stream_speech(model, requests, sampling, seed, rows)), len(requests))
    responses = begin(model, requests, sampling, seed)
    answers = {r.index: responses[r.index].answer(r) for r in say(model, responses, sampling, rows) if r.ended}
    return [
        said
        for some in batches(len(requests), rows)
        for said in answer_in_full(model, [responses[r] for r in some], [answers[r] for r in some], sampling)
    ]


@torch.inference_mode()
def stream_speech(
    model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int, rows: int | None = None
) -> Iterator[Part]:
    """What `generate_speech` returns, in parts as soon as their frames are final, those of several requests mixed."""
    rows = rows or max(1, len(requests))
    responses = begin(model, requests, sampling, seed)
    if is_masked(model.cfg, sampling.modality):
        for some in batches(len(requests), rows):
            chosen = [responses[r] for r in some]
            answers = say_masked(model, chosen, sampling)
            for index, said in zip(some, answer_in_full(model, chosen, answers, sampling), strict=True):
                yield Part(index, said.codes, said.finish)
        return
    for reply in say(model, responses, sampling, rows):
        response = responses[reply.index]
        if model.cfg.experimental.interleave:
            part = frames_said(reply, response.guard, model.cfg.resp_levels, sampling)
        else:
            part = response.settle(reply)
        if part:
            yield part


def begin(model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int) -> list[Response]:
    """A response without frames for every request; ConfigError if the model cannot begin one so."""
    if model.cfg.experimental.interleave and any(request.continues for request in requests):
        raise ConfigError("weights of model.experimental.interleave=true begin every response anew")
    if is_masked(model.cfg, sampling.modality):
        for way in (*sampling.by_code, *of_one_by_one(sampling, requests)):
            raise ConfigError(f"{way} needs level 0 code by code, which this model decodes masked")
    dice = seeded(seed, len(requests))
    return [Response(model, request, sampling, one) for request, one in zip(requests, dice, strict=True)]


def of_one_by_one(sampling: SamplingConfig, requests: Sequence[SpeechRequest]) -> list[str]:
    """What is asked for that only decoding code by code can do."""
    ways = {
        "layer_skip=true": sampling.layer_skip,
        f"speculative_layers={sampling.speculative_layers}": sampling.speculative_layers > 0,
        "refine_on_stop=true": sampling.refine_on_stop,
        "a penalty": penalises(sampling),
        "input_prompt_prefix=true": any(request.continue_prompt for request in requests),
    }
    return [way for way, wanted in ways.items() if wanted]


def say(model: VallE, responses: Sequence[Response], sampling: SamplingConfig, rows: int) -> Iterator[Reply]:
    """Level 0 code by code or by beams, or all levels in turns, as `replies` does, by the adapters of level 0."""
    dice, guards = [response.dice for response in responses], [response.guard for response in responses]
    prefixes = (response.request.for_level_zero() for response in responses)
    sequences = open_level_zero(model, sampling)
    if sampling.beam_width > 1:
        saying = BeamSearch(model, model.embed_first, sampling, guidance(sampling)).replies(prefixes, guards)
    elif model.cfg.experimental.interleave:
        choose: Choose = TurnsChoice(model, sampling, dice, guards)
        longest = sampling.max_duration * model.cfg.resp_levels
        saying = replies(sequences, prefixes, model.stop, longest, choose, rows)
    else:
        choose = LevelZeroChoice(sampling, model.stop, dice, guards)
        saying = replies(sequences, prefixes, model.stop, sampling.max_duration, choose, rows)
    return inside(lambda: at_level(model, 0, sampling.use_lora), saying)


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


def batches(count: int, rows: int) -> list[range]:
    """Numbers below `count`, at most `rows` together."""
    return [range(first, min(first + rows, count)) for first in range(0, count, rows)]


def joined(parts: Sequence[Part], requests: int) -> list[Said]:
    """The parts of each request, put together; every request has a last part."""
    own = [[part for part in parts if part.request == request] for request in range(requests)]
    ends = [next(part.finish for part in some if part.finish) for some in own]
    return [Said(torch.cat([part.codes for part in some]), end) for some, end in zip(own, ends, strict=True)]
