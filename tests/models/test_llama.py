"""Layer dropout, gradient checkpointing and token dropout."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.models.tiny import speech, tiny_model
from vall_e.models.llama import layer_dropout_chances
from vall_e.models.vall_e import VallE

SAMPLES = [speech(0), speech(4, 1)]


def test_layer_dropout_rises_from_the_first_layer_to_the_last() -> None:
    multipliers = [0, 0.065, 0.1343, 0.2081, 0.2867, 0.3704, 0.4595, 0.5544, 0.6555, 0.7632, 0.8779, 1]
    expected = [0.1 * multiplier for multiplier in multipliers]
    assert layer_dropout_chances(12, 0.1) == pytest.approx(expected, abs=1e-5)
    assert layer_dropout_chances(1, 0.1) == [0]


def test_layer_dropout_acts_in_training_only() -> None:
    model = tiny_model({"layerskip_p_max": 0.5})
    torch.manual_seed(0)
    assert len({model(SAMPLES).loss.item() for _ in range(20)}) == 1
    assert len({model.train()(SAMPLES).loss.item() for _ in range(20)}) == 2


def gradients(model: VallE) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    model(SAMPLES).loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.3, "flags": {"layerskip_p_max": 0.5}}], ids=["plain", "drop"])
def test_gradient_checkpointing_changes_no_gradient(settings: dict[str, Any]) -> None:
    plain, saving = tiny_model(**settings).train(), tiny_model(**settings).train()
    saving.model.gradient_checkpointing = True
    expected, found = gradients(plain), gradients(saving)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_attention_dropout_acts_in_training_only() -> None:
    model = tiny_model(dropout=0.5)
    torch.testing.assert_close(model(SAMPLES).loss, tiny_model()(SAMPLES).loss)
    assert model.train()(SAMPLES).loss.item() != pytest.approx(tiny_model()(SAMPLES).loss.item())


def test_token_dropout_replaces_all_but_the_stop_code() -> None:
    model = tiny_model({"token_dropout_rate": 1.0, "token_dropout_rvq_levels": [0, 7]}).train()
    ar, nar = (model.pack([sample]).embeddings[-7:] for sample in (speech(0), speech(4, frames=7)))
    assert ar[:-1].eq(model.dropout_token).all()
    assert ar[-1].equal(model.resps_emb.embeddings[0].weight[1024])
    assert nar.eq(model.dropout_token).all()


def test_token_dropout_spares_levels_outside_its_range_and_decoding() -> None:
    model = tiny_model({"token_dropout_rate": 1.0})
    assert model.pack([speech(4)]).embeddings.ne(model.dropout_token).any(-1).all()
    assert model.train().pack([speech(0)]).embeddings.ne(model.dropout_token).any(-1).all()
