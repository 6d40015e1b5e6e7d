"""Names that the tests of evaluation share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.data.sample import Sample
from vall_e.decoding.finish import Finish
from vall_e.decoding.generate import Said, SpeechRequest
from vall_e.models.vall_e import VallE

Speech = list[Sample]

TINY = {"dim": 32, "heads": 2, "layers": 1, "label": "tiny"}


class Parrot:
    """Says the responses it was given, one a request, whatever is asked of it; notes how many it is asked at once."""

    def __init__(self, answers: Sequence[Tensor]) -> None:
        self.answers, self.batches = list(answers), list[int]()

    def __call__(
        self, model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int
    ) -> list[Said]:
        self.batches.append(len(requests))
        return [Said(self.answers.pop(0), Finish.stop) for _ in requests]


def targets(speech: Speech) -> list[Tensor]:
    return [torch.from_numpy(sample.response) for sample in speech]


def nothing(levels: int = 8) -> Tensor:
    return torch.zeros(0, levels, dtype=torch.int16)
