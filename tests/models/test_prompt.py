"""Prompts with names of tasks within."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.models.tiny import draw_codes, speech, tiny_model
from vall_e.models.layout import lay_out, segment_targets
from vall_e.models.prompt import Prompt, pieces, prompt_length

CODES, OTHER = draw_codes(4, 1), draw_codes(3, 2)


@pytest.mark.parametrize(
    ("prompt", "length"),
    [(None, 0), (CODES, 4), ((CODES, "tts-c"), 5), ((CODES, "soe", draw_codes(0), "eoe", OTHER), 9), ((), 0)],
    ids=["none", "codes", "continuation", "edit", "empty"],
)
def test_every_frame_and_every_task_is_a_vector(prompt: Prompt | None, length: int) -> None:
    sample = speech(0, prompt=prompt)
    assert prompt_length(prompt) == sum(1 if isinstance(p, str) else len(p) for p in pieces(prompt)) == length
    lengths = {segment.name: segment.length for segment in lay_out(sample, ["ar"]).segments}
    assert lengths.get("prom", 0) == length


@torch.inference_mode()
def test_a_task_is_its_row_between_the_codes() -> None:
    model = tiny_model()
    packed = model.pack([speech(3, prompt=(CODES, "tse", OTHER))])
    start = packed.layouts[0].segment("prom").start
    found = packed.embeddings[start : start + 8]
    assert found[4].equal(model.tasks_emb.weight[4])
    assert found[:4].equal(_prompt_vectors(CODES)) and found[5:].equal(_prompt_vectors(OTHER))


@torch.inference_mode()
def _prompt_vectors(codes: Tensor) -> Tensor:
    model = tiny_model()
    packed = model.pack([speech(3, prompt=codes)])
    start = packed.layouts[0].segment("prom").start
    return packed.embeddings[start : start + len(codes)]


def test_tasks_are_targets_where_prompts_are() -> None:
    sample = replace(speech(2), prompt=(CODES, "ns", OTHER))
    assert segment_targets(sample, "prom", sums=False).tolist() == [*CODES[:, 2].tolist(), 2, *OTHER[:, 2].tolist()]
    assert segment_targets(sample, "prom", sums=True).tolist() == [-100] * 8
