"""A response whose frames become final one chunk after the other while its level 0 is being said.

Axes: T response frames, B frames said before, Q RVQ levels that are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.models.lora.levels import at_level
from vall_e.models.vall_e import VallE

from .finish import Finish, Guard
from .non_autoregressive import decode_levels, decoded_levels
from .refinement import refine
from .reply import Reply
from .request import Part, Said, SpeechRequest
from .sampling.dice import Dice


@dataclass(frozen=True)
class Answer:
    """Level 0 of a response that has ended: int64 [T], and why it did."""

    codes: Tensor
    finish: Finish


class Response:
    """Frames that are `final`, int64 [T, Q], and what decides about the next ones.

    A chunk is final when `chunk_lookahead` frames behind it are known: all levels are decoded for what is there, with
    the frames before it as they are, and the lookahead is thrown away. So the frames of a request do not depend on who
    takes them when.
    """

    def __init__(self, model: VallE, request: SpeechRequest, sampling: SamplingConfig, dice: Dice) -> None:
        self.model, self.request, self.sampling, self.dice = model, request, sampling, dice
        self.guard = Guard(sampling, len(request.tokens) - request.tokens_before)
        levels = decoded_levels(model.cfg, sampling)
        self.before, self.opening = (self._given(codes, levels) for codes in (request.before, request.opening))
        self.final = self._given(None, levels)

    @staticmethod
    def _given(codes: Tensor | None, levels: int) -> Tensor:
        return torch.zeros(0, levels, dtype=torch.int64) if codes is None else codes[:, :levels].long()

    @property
    def known(self) -> Tensor:
        """Frames of all levels that are not to be decoded: the final ones, or those it opens with."""
        return self.final if len(self.final) >= len(self.opening) else self.opening

    def settle(self, reply: Reply) -> Part | None:
        """The frames that are final with the newest code of level 0, or None."""
        if reply.ended:
            answer = self.answer(reply)
            return Part(reply.index, self._finalise(answer.codes, len(answer.codes)), answer.finish)
        end = len(self.final) + self.sampling.chunk_frames
        frames = len(self.opening) + len(reply.ids)
        if end == len(self.final) or frames < end + self.sampling.chunk_lookahead:
            return None
        return Part(reply.index, self._finalise(self.whole(reply.ids), end))

    def answer(self, reply: Reply) -> Answer:
        """The codes of a reply that has ended, without the loop that it may end with, unless that is final."""
        kept = max(len(self.guard.kept(reply.ids)), len(self.final) - len(self.opening))
        said = reply.ids[:kept]
        if self.sampling.refine_on_stop and said:
            with at_level(self.model, 0, self.sampling.use_lora):
                said = refine(self.model, self.request.for_level_zero(), torch.tensor(said)).tolist()
        return Answer(self.whole(said), self.guard.verdict(reply.ids) or Finish.stop)

    def whole(self, said: Sequence[int]) -> Tensor:
        """Level 0 of the response with what it opens with, if anything was said: int64 [T]."""
        codes = torch.tensor(said, dtype=torch.int64)
        return torch.cat([self.opening[:, 0], codes]) if len(codes) else codes

    def _finalise(self, level_zero: Tensor, end: int) -> Tensor:
        """Make the frames up to `end` final: int16 [T, Q], those that were not so before."""
        begin = len(self.final)
        if begin < end:
            self.final = upper_levels(self.model, [self], [level_zero], self.sampling)[0][:end]
        return self.final[begin:].to(torch.int16)


def answer_in_full(
    model: VallE, responses: Sequence[Response], answers: Sequence[Answer], sampling: SamplingConfig
) -> list[Said]:
    """All levels of answers at once."""
    spoken = [row for row, answer in enumerate(answers) if len(answer.codes)]
    level_zero = [answers[row].codes for row in spoken]
    found = upper_levels(model, [responses[row] for row in spoken], level_zero, sampling) if spoken else []
    codes = dict(zip(spoken, found, strict=True))
    return [Said(codes.get(r, responses[r].final).to(torch.int16), answer.finish) for r, answer in enumerate(answers)]


def upper_levels(
    model: VallE, responses: Sequence[Response], level_zero: Sequence[Tensor], sampling: SamplingConfig
) -> list[Tensor]:
    """All levels of responses from their level 0, int64 [T] each, T > 0; known frames stay: int64 [T, Q] each."""
    first = [torch.cat([response.before[:, 0], codes]) for response, codes in zip(responses, level_zero, strict=True)]
    known = [torch.cat([response.before, response.known]) for response in responses]
    shown = [response.request.for_upper_levels() for response in responses]
    found = decode_levels(model, shown, first, sampling, [response.dice for response in responses], known)
    return [codes[len(response.before) :] for codes, response in zip(found, responses, strict=True)]
