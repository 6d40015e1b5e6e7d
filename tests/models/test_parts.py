"""A backbone that runs in parts computes what it computes in one, over whole sequences and through a cache."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.backbones import BACKBONES, next_positions
from tests.models.tiny import draw_codes, draw_text, speech, tiny_model
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

SIZE = {"dim": 32, "heads": 2, "layers": 4}
MIXED = [speech(0, 0), speech(5, 1, 9), speech(1, 3)]
PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
]
STEPS = 6
CODES = torch.stack([draw_codes(STEPS, row)[:, 0] for row in range(2)])
EVERY = pytest.mark.parametrize("name", BACKBONES)


def model_of(name: str) -> VallE:
    return tiny_model(**(BACKBONES[name] | {"size": SIZE}))


@EVERY
@torch.inference_mode()
def test_parts_one_after_another_are_the_whole(name: str) -> None:
    model = model_of(name)
    backbone, packed = model.model, model.pack(MIXED)
    told = (packed.positions, model.within(packed.layouts))
    expected, losses = backbone(packed.embeddings, *told, {2})
    for early in range(1, len(backbone.stack)):
        x, first = backbone.run(packed.embeddings, *told, range(early), {2})
        x, second = backbone.run(x, *told, range(early, len(backbone.stack)), {2})
        assert backbone.leave(x).equal(expected)
        assert all(a.equal(b) for a, b in zip([*first, *second], losses, strict=True))


@EVERY
@torch.inference_mode()
def test_a_part_is_what_a_shorter_model_computes(name: str) -> None:
    model, shorter = model_of(name), model_of(name)
    packed = model.pack(MIXED)
    told = (packed.positions, model.within(packed.layouts))
    del shorter.model.stack[2:]
    x, _ = model.model.run(packed.embeddings, *told, range(2))
    expected = shorter.hidden(shorter.pack(MIXED))
    assert model.model.leave(x).equal(expected)
    states, _ = model.model.states(packed.embeddings, *told, {1})
    assert sorted(states) == [1, len(model.model.stack) - 1] and states[1].equal(expected)
    assert states[len(model.model.stack) - 1].equal(model.hidden(packed))


def through_a_cache(model: VallE, early: int) -> Tensor:
    """Hidden states [steps + 1, rows, d] of the last prefix position and of each step, in two parts if `early` > 0."""
    backbone, packed = model.model, model.pack(PREFIXES)
    cache = backbone.cache(max(packed.lengths) + STEPS, packed.embeddings)

    def run(x: Tensor, positions: Tensor, within: object) -> Tensor:
        for part in (range(early), range(early, len(backbone.stack))):
            x, _ = backbone.run(x, positions, within, part) if part else (x, [])
        left: Tensor = backbone.leave(x)
        return left

    begun = run(packed.embeddings, packed.positions, cache.admit(packed.lengths))
    found = [begun[torch.tensor(packed.lengths).cumsum(0) - 1]]
    positions = next_positions(model, packed.layouts)
    for step in range(STEPS):
        found.append(run(model.resps_emb.read(0, CODES[:, step]), positions + step, cache.step()))
    return torch.stack(found)


@EVERY
@torch.inference_mode()
def test_parts_fill_the_cache_of_their_own_layers(name: str) -> None:
    model = model_of(name)
    expected = through_a_cache(model, 0)
    for early in (1, 3):
        assert through_a_cache(model, early).equal(expected)


@EVERY
@torch.inference_mode()
def test_later_layers_may_catch_up_with_several_positions_at_once(name: str) -> None:
    model, early = model_of(name), 2
    expected = through_a_cache(model, 0)[1:]
    backbone, packed = model.model, model.pack(PREFIXES)
    cache = backbone.cache(max(packed.lengths) + STEPS, packed.embeddings)
    backbone(packed.embeddings, packed.positions, cache.admit(packed.lengths))
    positions, rest = next_positions(model, packed.layouts), range(early, len(backbone.stack))
    found, waiting = list[Tensor](), list[Tensor]()
    for step in range(STEPS):
        vectors = model.resps_emb.read(0, CODES[:, step])
        waiting.append(backbone.run(vectors, positions + step, cache.step(), range(early))[0])
        if step in (0, 3, STEPS - 1):
            count = len(waiting)
            block, places = torch.stack(waiting, 1), positions[:, None] + torch.arange(step + 1 - count, step + 1)
            x, _ = backbone.run(block.flatten(0, 1), places.flatten(), cache.again(count), rest)
            found += backbone.leave(x).unflatten(0, (2, count)).unbind(1)
            waiting = []
    torch.testing.assert_close(torch.stack(found), expected, atol=1e-4, rtol=1e-4)
