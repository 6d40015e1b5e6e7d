"""Several codes a step: what training learns ahead is what decoding reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models.tiny import STOP, draw_codes, speech, tiny_config, tiny_model, with_stop
from vall_e.decoding.several_ids import places_of_next, until_stop
from vall_e.models.layout import ModelInput
from vall_e.models.loss import predictions
from vall_e.models.vall_e import VallE


@pytest.mark.parametrize(
    ("said", "chosen", "expected"),
    [
        ([], [5, 6], ([5, 6], False)),
        ([5, 6], [7, STOP], ([5, 6, 7], True)),
        ([5, 6], [STOP, 7], ([5, 6], True)),
        ([5, 6, 7], [8, 9], ([5, 6, 7, 8], True)),
        ([5, 6, 7], [8, STOP], ([5, 6, 7, 8], True)),
    ],
)
def test_ids_end_at_the_stop_or_when_they_are_enough(
    said: list[int], chosen: list[int], expected: tuple[list[int], bool]
) -> None:
    assert until_stop(said, chosen, STOP, longest=4) == expected


@pytest.mark.parametrize("several", [1, 2, 3])
def test_a_code_is_learnt_so_many_positions_before_it_stands(several: int) -> None:
    model, sample = tiny_model({"causal_size": several}), speech(0)
    layout = model.lay_out(sample)
    (entry,) = predictions([sample], [layout], sums=True, ignore_inputs=True)
    start = layout.segment("resp").start
    assert entry.rows.tolist() == list(range(start - several, start - several + 7))
    (later,) = predictions([speech(3)], [model.lay_out(speech(3))], sums=True, ignore_inputs=True)
    assert later.rows[0] == model.lay_out(speech(3)).segment("resp").start, "NAR levels are read in place"


def test_inputs_are_learnt_from_the_first_that_has_a_place_before_it() -> None:
    """As the reference compares logits[:-c] with targets[c:] over the whole sequence."""
    flags = {"causal_size": 3, "ignore_inputs_for_loss": False}
    sample, model = speech(0), tiny_model(flags)
    layout = model.lay_out(sample)
    found = predictions([sample], [layout], sums=True, ignore_inputs=False)
    targets = {int(row) + 3: int(t) for e in found for row, t in zip(e.rows, e.targets, strict=True)}
    text = sample.text.tolist()
    assert [targets.get(place) for place in range(5)] == [None, None, None, *text[3:5]]
    assert layout.segment("text").length not in targets, "separators are not learnt"


def spoken(model: VallE, prefix: ModelInput, steps: int) -> tuple[list[int], int]:
    """Likeliest codes of level 0, and in how many passes they were said."""
    said: list[int] = []
    for step in range(steps):
        sample = replace(prefix, response=torch.tensor(said, dtype=torch.int64)[:, None])
        packed = model.pack([sample])
        places = places_of_next(packed.layouts[0])
        logits = model.logits("AR:0:0", model.hidden(packed)[places.start : places.stop])
        said, ended = until_stop(said, logits.argmax(-1).tolist(), STOP, longest=20)
        if ended:
            return said, step + 1
    return said, steps


@pytest.mark.parametrize("several", [2, 3])
def test_what_is_learnt_is_said_in_fewer_passes(several: int) -> None:
    torch.manual_seed(0)
    model = VallE(tiny_config({"causal_size": several}))
    codes = draw_codes(8)
    sample = speech(0, response=with_stop(codes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(60):
        loss = model.train()([sample]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        said, passes = spoken(model.eval(), sample, 20)
    assert said == codes[:, 0].tolist()
    assert passes == -(-9 // several)
