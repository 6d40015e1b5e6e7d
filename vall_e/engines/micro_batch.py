"""Micro-batches as the model is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from vall_e.config.model import ModelConfig
from vall_e.data.sample import PromptPieces, Sample
from vall_e.models.draws import draw_input
from vall_e.models.layout import ModelInput
from vall_e.models.prompt import Prompt
from vall_e.text.languages import language_id


@dataclass(frozen=True)
class MicroBatch:
    """Samples that go through the model together.

    share: their part in the loss of the optimizer step; seed: of the dropout in the model.
    """

    inputs: tuple[ModelInput, ...]
    share: float
    seed: int

    @property
    def frames(self) -> int:
        """Frames of speech in it, or codes where levels take turns."""
        return sum(len(one.response) for one in self.inputs if one.response is not None)

    def split(self, count: int) -> list[MicroBatch]:
        """At most `count` parts of like size, which together have the same loss and gradient.

        Dropout within attention, where a model has it, draws other masks for the parts.
        """
        count = min(count, len(self.inputs))
        bounds = [len(self.inputs) * part // count for part in range(count + 1)]
        pieces = [self.inputs[start:end] for start, end in pairwise(bounds)]
        return [
            MicroBatch(piece, self.share * len(piece) / len(self.inputs), self.seed + number)
            for number, piece in enumerate(pieces)
        ]


def draw_micro_batch(cfg: ModelConfig, batch: Sequence[Sample], share: float, seed: Sequence[int]) -> MicroBatch:
    """Draw what training draws for each sample; everything follows from `seed`, whichever rank draws."""
    first, second = np.random.SeedSequence(seed).generate_state(2).tolist()
    generator = torch.Generator().manual_seed(first)
    inputs = [
        draw_input(
            cfg,
            torch.from_numpy(sample.tokens),
            _prompt(sample.prompt),
            torch.from_numpy(sample.response),
            language_id(sample.language),
            generator,
            sample.task,
        )
        for sample in batch
    ]
    return MicroBatch(tuple(inputs), share, second)


def _prompt(prompt: PromptPieces) -> Prompt:
    """The pieces as tensors int16 [P, Q], names of tasks as they are."""
    if not isinstance(prompt, tuple):
        return torch.from_numpy(prompt)
    return tuple(piece if isinstance(piece, str) else torch.from_numpy(piece) for piece in prompt)
