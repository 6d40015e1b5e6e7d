"""A model whose layers were trained as exits says what it has learnt by heart from half of them."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.models.backbones import next_positions
from tests.models.tiny import draw_codes, draw_text, tiny_config, with_stop
from vall_e.models.early_exit import EarlyExit
from vall_e.models.exit_rule import ExitRule
from vall_e.models.layerskip import exit_weights
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

LAYERS, HALF, FRAMES = 6, 3, 16
SPOKEN = [
    ModelInput(text=draw_text(6, row), response=with_stop(draw_codes(FRAMES, row, 1) % 4), lang=0) for row in range(3)
]
"""Of four codes alone, so that the last one does not give the next one away."""


def learnt(layerskip: bool, steps: int = 120) -> VallE:
    torch.manual_seed(0)
    model = VallE(tiny_config(size={"dim": 64, "heads": 2, "layers": LAYERS}, resp_levels=1, capabilities=["ar"]))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for step in range(steps):
        optimizer.zero_grad()
        model(SPOKEN, exits=exit_weights(step, LAYERS, 1, 0.2) if layerskip else {}).loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def trained() -> VallE:
    return learnt(layerskip=True)


def test_half_of_the_layers_predict_if_they_were_trained_to(trained: VallE) -> None:
    plain = learnt(layerskip=False)
    whole = [model(SPOKEN).loss.item() for model in (plain, trained)]
    half = [model(SPOKEN, exits={HALF - 1: 1.0}).parts["early_exit.nll"].item() for model in (plain, trained)]
    assert max(whole) < 0.1, whole
    assert half[0] > 6 * whole[0] and half[1] < 3 * whole[1] and half[0] > 3 * half[1], half


@torch.inference_mode()
def test_what_is_known_by_heart_is_said_by_fewer_layers(trained: VallE) -> None:
    prefixes = [ModelInput(text=one.text, lang=0) for one in SPOKEN]
    packed = trained.pack(prefixes)
    cache = trained.model.cache(max(packed.lengths) + FRAMES, packed.embeddings)
    hidden = trained.hidden(packed, cache.admit(packed.lengths))
    read = partial(trained.logits, "AR:0:0")
    decoding = EarlyExit(trained.model, cache, ExitRule(LAYERS, None, 0.5, 2.0), read)
    ids = [read(hidden[torch.tensor(packed.lengths).cumsum(0) - 1]).argmax(-1)]
    positions, taken = next_positions(trained, packed.layouts), []
    for step in range(FRAMES):
        logits, layers = decoding.step(trained.resps_emb.read(0, ids[-1]), positions + step)
        ids.append(logits.argmax(-1))
        taken.append(layers)
    expected = torch.stack([one.response[:, 0] for one in SPOKEN if one.response is not None], 1)
    assert torch.stack(ids).equal(expected.long())
    assert torch.stack(taken).float().mean() < LAYERS - 1
