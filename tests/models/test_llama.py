"""Layer dropout, gradient checkpointing and token dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.models.tiny import speech, tiny_model
from vall_e.models.backbones.backbone import layer_dropout_chances
from vall_e.models.backbones.checkpointing import Checkpointing
from vall_e.models.draws import draw_dropped, draw_skipped_layers
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

SAMPLES = [speech(0), speech(4, 1)]


def test_layer_dropout_rises_from_the_first_layer_to_the_last() -> None:
    multipliers = [0, 0.065, 0.1343, 0.2081, 0.2867, 0.3704, 0.4595, 0.5544, 0.6555, 0.7632, 0.8779, 1]
    expected = [0.1 * multiplier for multiplier in multipliers]
    assert layer_dropout_chances(12, 0.1) == pytest.approx(expected, abs=1e-5)
    assert layer_dropout_chances(1, 0.1) == [0]


def test_layers_are_skipped_with_their_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_skipped_layers([0.0, 0.5, 1.0], generator) for _ in range(400)]
    assert all(2 in skipped and 0 not in skipped for skipped in drawn)
    assert sum(1 in skipped for skipped in drawn) == pytest.approx(200, abs=40)


def test_a_skipped_layer_is_left_out() -> None:
    model, shorter = tiny_model(), tiny_model()
    shorter.model.layers = torch.nn.ModuleList(list(shorter.model.layers)[:1])
    assert model(SAMPLES, {1}).loss.item() == shorter(SAMPLES).loss.item() != model(SAMPLES).loss.item()


def gradients(model: VallE) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    model(SAMPLES).loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.3, "flags": {"layerskip_p_max": 0.5}}], ids=["plain", "drop"])
@pytest.mark.parametrize("how", [{"every": 1}, {"every": 2}, {"every": 1, "offload": True}], ids=str)
def test_gradient_checkpointing_changes_no_gradient(settings: dict[str, Any], how: dict[str, Any]) -> None:
    plain, saving = tiny_model(**settings).train(), tiny_model(**settings).train()
    saving.model.checkpointing = Checkpointing(**how)
    expected, found = gradients(plain), gradients(saving)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_attention_dropout_acts_in_training_only() -> None:
    model = tiny_model(dropout=0.5)
    torch.testing.assert_close(model(SAMPLES).loss, tiny_model()(SAMPLES).loss)
    assert model.train()(SAMPLES).loss.item() != pytest.approx(tiny_model()(SAMPLES).loss.item())


def dropped(model: VallE, sample: ModelInput) -> ModelInput:
    assert sample.response is not None
    frames, flags = len(sample.response), model.cfg.experimental
    return replace(sample, dropped=draw_dropped(frames, sample.level, flags, torch.Generator()))


def test_token_dropout_replaces_all_but_the_stop_code() -> None:
    model = tiny_model({"token_dropout_rate": 1.0, "token_dropout_rvq_levels": [0, 7]})
    ar, nar = (model.pack([dropped(model, s)]).embeddings[-7:] for s in (speech(0), speech(4, frames=7)))
    assert ar[:-1].eq(model.dropout_token).all()
    assert ar[-1].equal(model.resps_emb.embeddings[0].weight[1024])
    assert nar.eq(model.dropout_token).all()


def test_token_dropout_spares_levels_outside_its_range() -> None:
    model = tiny_model({"token_dropout_rate": 1.0})
    assert dropped(model, speech(0)).dropped is None
    assert dropped(model, speech(4)).dropped is not None
