"""What a sequence looks like: the one place that knows segments, positions, heads and targets of every task.

A separator vector stands between consecutive segments (square brackets: only if the model has the capability, and the
level only from the fifth generation on):

    tts   text · [lang] · [level] · prom · [tone] · resp    (tts-c, ns, sr, tse, cse and nse, too)
    len   text · [lang] · [level] · prom · [tone] · len
    stt   resp · [lang] · [level] · text

Axes: N text tokens, P prompt frames, T response frames, Q RVQ levels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .prompt import Prompt, prompt_length, prompt_targets
from .tokens import IGNORED, LENGTH_STOP

MASKED_HEAD = "NAR:0:0"
"""Table and head of masked decoding, which says the hidden frames of level 0."""


@dataclass(kw_only=True)
class ModelInput:
    """One sample as the model is shown it.

    text: int64 [N]; prompt: int [P, Q], pieces of a `Prompt`, or None; response: int [T, Q'], where training the stop
    code or the level to be learnt is part of it, or int [C], code after code, where levels take turns; level: the RVQ
    level to be predicted; mask: bool [T], frames of level 0 hidden in masked decoding (NAR-len); dropped: bool [T],
    response frames whose embedding is replaced by the learnt dropout vector; length: int64, digits of a length as
    `length_tokens` spells them, in the task `len`.
    """

    task: str = "tts"
    text: Tensor
    level: int = 0
    prompt: Prompt | None = None
    response: Tensor | None = None
    lang: int | None = None
    tone: int | None = None
    mask: Tensor | None = None
    dropped: Tensor | None = None
    length: Tensor | None = None


@dataclass(frozen=True)
class Segment:
    """A run of one kind of embedding: `length` vectors of the sequence from `start` on, separators excluded."""

    name: str
    start: int
    length: int


@dataclass(frozen=True)
class Layout:
    """Segments of one sequence in order, and the names of its output segment and head.

    causal_size: ids that are predicted in one step where they are predicted one after another; interleaved: levels that
    take turns in the response, or 0.
    """

    segments: tuple[Segment, ...]
    output: str
    head: str
    causal_size: int = 1
    interleaved: int = 0

    @property
    def length(self) -> int:
        """Vectors of the whole sequence."""
        last = self.segments[-1]
        return last.start + last.length

    @property
    def causal_head(self) -> bool:
        """Whether a prediction is read before its target, not in place."""
        return not self.head.startswith("NAR:")

    @property
    def ahead(self) -> int:
        """How many positions before its target a prediction is read."""
        return self.causal_size if self.causal_head else 0

    def segment(self, name: str) -> Segment:
        """The segment called `name`; it is there."""
        return next(s for s in self.segments if s.name == name)

    def turns(self, segment: Segment, level: int) -> Iterator[tuple[str, int, slice]]:
        """Head, level and the ids of a segment that they predict: all, or those of each of the levels taking turns."""
        if self.interleaved and segment.name == "resp" and self.output == "resp":
            yield from ((f"AR:{q}:{q}", q, slice(q, None, self.interleaved)) for q in range(self.interleaved))
        else:
            yield self.head, level, slice(None)


def lay_out(
    sample: ModelInput,
    capabilities: Collection[str],
    *,
    level: bool = True,
    causal_size: int = 1,
    interleaved: int = 0,
) -> Layout:
    """The layout of a sample for a model of these capabilities, which is told the level or not."""
    lengths = segment_lengths(sample, capabilities, level=level)
    segments, at = [], 0
    for name, length in lengths.items():
        segments.append(Segment(name, at, length))
        at += length + 1
    return Layout(tuple(segments), list(lengths)[-1], head_name(sample), causal_size, interleaved)


def segment_lengths(sample: ModelInput, capabilities: Collection[str], *, level: bool = True) -> dict[str, int]:
    """Lengths of the segments by name, in order."""
    lang = {"lang": 1} if "lang" in capabilities and sample.lang is not None else {}
    tone = {"tone": 1} if "tone" in capabilities and sample.tone is not None else {}
    told = {"level": 1} if level else {}
    frames = prompt_length(sample.prompt)
    prompt = {"prom": frames} if frames else {}
    response = {"resp": 0 if sample.response is None else len(sample.response)}
    if sample.task == "stt":
        return response | lang | told | {"text": len(sample.text)}
    if sample.task == "len":
        response = {"len": 0 if sample.length is None else len(sample.length)}
    return {"text": len(sample.text)} | lang | told | prompt | tone | response


def head_name(sample: ModelInput) -> str:
    """`AR:0:0`, `NAR:{q-1}:{q}` for target level q, `NAR:0:0` for masked decoding, `stt` or `len`."""
    if sample.task in ("stt", "len"):
        return sample.task
    if sample.mask is not None:
        return MASKED_HEAD
    return f"NAR:{sample.level - 1}:{sample.level}" if sample.level else "AR:0:0"


def is_causal(layout: Layout, noncausal_masks: bool) -> bool:
    """Whether a position may see only those before it."""
    return layout.causal_head or not noncausal_masks


def position_ids(layout: Layout, unified: bool) -> Tensor:
    """int64 [length]: one run, or a run per segment in which the separator after it takes the next number."""
    if unified:
        return torch.arange(layout.length)
    last = layout.segments[-1]
    runs = [torch.arange(s.length + (s is not last)) for s in layout.segments]
    return torch.cat(runs)


def length_tokens(frames: int) -> Tensor:
    """`0`, the decimal digits of a number of frames, stop: int64."""
    return torch.tensor([0, *map(int, str(frames)), LENGTH_STOP])


def segment_targets(sample: ModelInput, name: str, sums: bool) -> Tensor:
    """int64 [length of the segment]: what is to be predicted there; IGNORED where nothing is."""
    match name:
        case "text":
            return sample.text
        case "lang":
            return torch.tensor([sample.lang])
        case "tone":
            return torch.tensor([sample.tone])
        case "level":
            return torch.tensor([sample.level])
        case "len":
            assert sample.length is not None
            return sample.length
        case "prom":
            return prompt_targets(sample.prompt, sample.level, sums)
        case "resp":
            return response_targets(sample)
    raise KeyError(name)


def response_targets(sample: ModelInput) -> Tensor:
    """Codes of the target level, or of all that are interleaved; of masked ones the hidden; none of an input (stt)."""
    assert sample.response is not None
    if sample.task == "stt":
        return torch.full((len(sample.response),), IGNORED)
    codes = (sample.response if sample.response.ndim == 1 else sample.response[:, sample.level]).long()
    return codes if sample.mask is None else codes.masked_fill(~sample.mask, IGNORED)
