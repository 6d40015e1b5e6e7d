"""The state of every optimizer survives as named tensors and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.optim.kinds import KINDS, learning_model, step
from vall_e.engines.optimizer_state import join_state, split_state
from vall_e.errors import CheckpointError
from vall_e.models.vall_e import VallE


def names(model: VallE) -> dict[int, str]:
    return {id(parameter): name for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("name", KINDS)
def test_a_fresh_optimizer_goes_on_exactly_where_another_stopped(name: str, tmp_path: Path) -> None:
    first, second = learning_model(), learning_model()
    optimizer = KINDS[name].built(first)
    for _ in range(4):
        step(first, optimizer)
    tensors, rest = split_state(optimizer, names(first))
    save_file(tensors, tmp_path / "state.safetensors")
    second.load_state_dict(first.state_dict())
    fresh = KINDS[name].built(second)
    join_state(fresh, names(second), load_file(tmp_path / "state.safetensors"), json.loads(json.dumps(rest)))
    for _ in range(4):
        assert step(first, optimizer) == step(second, fresh)
    for key, value in first.state_dict().items():
        assert value.equal(second.state_dict()[key]), key


def test_the_state_of_another_optimizer_is_refused() -> None:
    model = learning_model()
    adamw, muon = KINDS["adamw"].built(model), KINDS["muon"].built(model)
    step(model, adamw)
    tensors, rest = split_state(adamw, names(model))
    with pytest.raises(CheckpointError, match=r"the state of AdamW over .* to go on with MuonWithAdamW"):
        join_state(muon, names(model), tensors, rest)
