"""The module that sharding engines train."""

from __future__ import annotations

import pytest

from tests.models.tiny import speech, tiny_model
from vall_e.engines.trained_module import TrainedModule


@pytest.mark.parametrize("frozen", [False, True], ids=["all", "backbone alone"])
def test_every_trained_parameter_around_the_backbone_has_a_gradient(frozen: bool) -> None:
    model = tiny_model().train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or name.startswith("model."))
    module = TrainedModule(model)
    loss, _, _ = module([speech(0)], frozenset())
    loss.backward()
    assert loss == model([speech(0)]).loss
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in model.parameters())
