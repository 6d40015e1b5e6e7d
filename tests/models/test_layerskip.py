"""Layers that learn to be exits: which at a step, how much, and what they are moved by."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.models.backbones import BACKBONES
from tests.models.tiny import draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.seal import problems
from vall_e.models.backbones.checkpointing import Checkpointing
from vall_e.models.distillation import Distillation
from vall_e.models.layerskip import exit_scale, exit_weights, exits_at
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

SIZE = {"dim": 32, "heads": 2, "layers": 4}
STT = ModelInput(task="stt", text=draw_text(7), response=draw_codes(8))
BATCH = [speech(0, 0), speech(5, 1, 9), STT]
EXITS = {1: 0.25, 2: 0.75}
EVERY = pytest.mark.parametrize("name", BACKBONES)


def model_of(name: str = "llama", keep: int | None = None, **changes: Any) -> VallE:
    """A model of four layers, or of the first `keep` of them."""
    model = tiny_model(**(BACKBONES[name] | {"size": SIZE} | changes))
    del model.model.stack[len(model.model.stack) if keep is None else keep :]
    return model


def test_two_exits_are_half_the_layers_apart_and_move_on_by_one_a_step() -> None:
    found = [sorted(exits_at(step, 12, 2)) for step in (0, 1, 5, 6, 11, 12, 29)]
    assert found == [[0, 6], [1, 7], [5, 11], [0, 6], [5, 11], [0, 6], [5, 11]]
    assert sorted(exits_at(9, 12, 5)) == [1, 3, 5, 9, 11]
    turns = Counter(layer for step in range(12) for layer in exits_at(step, 12, 5))
    assert turns == dict.fromkeys(range(12), 5)


def test_later_exits_weigh_more() -> None:
    expected = [0, 0, 0.2, 0.6, 1.2, 2, 3, 4.2, 5.6, 7.2, 9, 11]
    assert [exit_scale(layer, 0.2) for layer in range(12)] == pytest.approx(expected)
    assert exit_weights(5, 12, 2, 0.2) == pytest.approx({5: 2 / 13, 11: 11 / 13})
    assert exit_weights(12, 12, 4, 0.2) == pytest.approx({3: 0.6 / 10.8, 6: 3 / 10.8, 9: 7.2 / 10.8})
    assert exit_weights(8, 12, 3, 5.0) == pytest.approx(exit_weights(8, 12, 3, 0.2))


@pytest.mark.parametrize("told", [(0, 12, 1, 0.2), (13, 12, 1, 0.2), (5, 12, 2, 0.0)])
def test_where_nothing_weighs_anything_there_are_no_exits(told: tuple[int, int, int, float]) -> None:
    assert exit_weights(*told) == {}


@EVERY
def test_the_loss_is_the_sum_of_those_of_shorter_models(name: str) -> None:
    model = model_of(name)
    plain, last = model(BATCH), len(model.model.stack) - 1
    inner = {layer: model_of(name, layer + 1)(BATCH).parts["nll"] for layer in (1, 2, last)}
    early = 0.1 * inner[1] + 0.3 * inner[2] + 0.6 * inner[last]
    output = model(BATCH, exits={1: 0.1, 2: 0.3, last: 0.6})
    torch.testing.assert_close(output.parts["early_exit.nll"], early)
    torch.testing.assert_close(output.loss, plain.loss + early)
    assert {key: part for key, part in output.parts.items() if key != "early_exit.nll"} == plain.parts
    assert output.stats.keys() == plain.stats.keys()


def test_every_part_of_the_loss_has_one_of_exits() -> None:
    factors = {"text": 0.1, "resp": 1.0}
    output = model_of(loss_factors=factors)(BATCH, exits=EXITS)
    shorter = [model_of(loss_factors=factors, keep=layer + 1)(BATCH).parts for layer in EXITS]
    assert output.parts.keys() == {"text.nll", "resp.nll", "early_exit.text.nll", "early_exit.resp.nll"}
    for key in ("text.nll", "resp.nll"):
        expected = 0.25 * shorter[0][key] + 0.75 * shorter[1][key]
        torch.testing.assert_close(output.parts[f"early_exit.{key}"], expected)


def test_the_exit_of_a_skipped_layer_is_that_of_the_layer_before() -> None:
    model = model_of()
    early = [model(BATCH, {2}, exits).parts["early_exit.nll"] for exits in ({1: 1.0}, {2: 1.0})]
    assert early[0].equal(early[1])
    assert not model(BATCH, exits={2: 1.0}).parts["early_exit.nll"].equal(early[0])


def gradients(model: VallE, exits: dict[int, float]) -> dict[str, Tensor]:
    model.zero_grad()
    model(BATCH, exits=exits).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_an_exit_moves_the_layers_up_to_it_alone() -> None:
    model = model_of()
    plain, moved = gradients(model, {}), gradients(model, {1: 1.0})
    changed = {name for name, gradient in moved.items() if not torch.allclose(gradient, plain[name], atol=1e-7)}
    assert {f"model.layers.{layer}.mlp.up_proj.weight" for layer in (0, 1)} | {"model.norm.weight", "sep"} <= changed
    assert not {name for name in changed if name.startswith(("model.layers.2.", "model.layers.3."))}


@EVERY
def test_checkpointing_changes_no_gradient(name: str) -> None:
    plain, saving = model_of(name).train(), model_of(name).train()
    saving.model.checkpointing = Checkpointing(every=1)
    expected = gradients(plain, EXITS)
    for key, gradient in gradients(saving, EXITS).items():
        torch.testing.assert_close(gradient, expected[key], msg=key)


@pytest.mark.parametrize(("exits", "times"), [({}, 1), ({3: 1.0}, 1), (EXITS, 3)])
def test_heads_read_the_exits_of_the_step_alone(exits: dict[int, float], times: int) -> None:
    model, calls = model_of(), list[int]()

    def count(module: nn.Module, told: Any, output: Tensor) -> None:
        calls.append(len(output))

    model.classifiers.proj[0].register_forward_hook(count)
    model(BATCH, exits=exits)
    assert len(calls) == times


def test_a_student_learns_its_exits_from_targets() -> None:
    cfg = HyperparametersConfig(teacher_alpha=0.4)
    taught, model = Distillation(model_of(), cfg), model_of().train()
    output, hard = taught(model, BATCH, exits=EXITS), model(BATCH, exits=EXITS)
    assert output.parts.keys() == {"nll", "early_exit.nll", "mse"}
    torch.testing.assert_close(output.parts["early_exit.nll"], 0.6 * hard.parts["early_exit.nll"])


def test_a_step_has_no_more_exits_than_layers() -> None:
    flags = {"layerskip": True, "layerskip_r": 3}
    assert list(problems(tiny_config(flags, size=SIZE))) == []
    assert list(problems(tiny_config(flags))) == ["experimental.layerskip_r=3 is out of range: the model has 2 layers"]
    assert list(problems(tiny_config(flags | {"layerskip": False}))) == []
