"""Losses as the reference computes them, without the first id of a segment."""

from __future__ import annotations

import pytest
import torch

from tests.golden.formula_model import FACTORS, LOSSES, Loss, weights
from tests.models.test_reference_numbers import label, learnt_input, model
from tests.models.tiny import tiny_config
from vall_e.evaluation.parity.learning import reference_loss
from vall_e.models.vall_e import VallE


@pytest.fixture(scope="module")
def formula_weights() -> dict[str, torch.Tensor]:
    config = tiny_config(size="quarter", capabilities=["ar", "nar", "len", "lang"])
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in VallE(config).state_dict().items()}
    return weights(shapes)


@pytest.mark.parametrize("expected", LOSSES, ids=label)
@torch.inference_mode()
def test_loss_is_that_of_the_reference(expected: Loss, formula_weights: dict[str, torch.Tensor]) -> None:
    valle = model(formula_weights, expected.full)
    for factors, loss in (({}, expected.unified), (FACTORS, expected.split)):
        valle.cfg.loss_factors = factors
        assert float(reference_loss(valle, [learnt_input(expected.case)]).loss) == pytest.approx(loss, abs=3e-5)


@torch.inference_mode()
def test_accuracy_of_a_length_without_its_first_digit(formula_weights: dict[str, torch.Tensor]) -> None:
    valle = model(formula_weights, True)
    for factors, name, accuracy in (({}, "acc", 2 / 3), (FACTORS, "len.acc", 1.0)):
        valle.cfg.loss_factors = factors
        found = reference_loss(valle, [learnt_input("len")]).stats[name]
        assert float(found) == pytest.approx(accuracy)
