"""Which experts are at work, what keeps them evenly at work, and MLPs copied into experts."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from tests.models.tiny import speech, tiny_model
from vall_e.models.backbones.mixtral import SparseMixture, balance_loss

SAMPLES = [speech(0), speech(4, 1)]


def test_a_position_gets_its_two_likeliest_experts_by_their_chances() -> None:
    torch.manual_seed(0)
    mixture, x = SparseMixture(8, 16, 5), torch.randn(7, 8)
    found, _ = mixture(x)
    chances = (x @ mixture.gate.weight.T).softmax(-1)
    for row, position in enumerate(x):
        first, second = chances[row].argsort(descending=True)[:2].tolist()
        outputs = []
        for expert in (mixture.experts[first], mixture.experts[second]):
            w1, w2, w3 = (expert.get_parameter(f"w{n}.weight") for n in (1, 2, 3))
            outputs.append(w2 @ (gelu(w1 @ position) * (w3 @ position)))
        share = chances[row, first] / (chances[row, first] + chances[row, second])
        torch.testing.assert_close(found[row], share * outputs[0] + (1 - share) * outputs[1])


def test_the_balance_loss_is_least_where_all_experts_are_at_work() -> None:
    even = torch.tensor([[0, 1], [2, 3], [1, 2], [3, 0]])
    assert balance_loss(torch.full((4, 4), 0.25), even).item() == pytest.approx(2)
    chances = torch.tensor([[0.5, 0.5, 0.0, 0.0]] * 4)
    assert balance_loss(chances, torch.tensor([[0, 1]] * 4)).item() == pytest.approx(4)
    halves = torch.tensor([[0.6, 0.4, 0, 0], [0.2, 0, 0.8, 0]])  # f = 1, 1/2, 1/2, 0; P = .4, .2, .4, 0
    assert balance_loss(halves, torch.tensor([[0, 1], [2, 0]])).item() == pytest.approx(4 * (0.4 + 0.1 + 0.2))


def test_a_thousandth_of_the_balance_is_part_of_the_loss() -> None:
    model = tiny_model(arch_type="mixtral", experts=4).train()
    output = model(SAMPLES)
    assert set(output.parts) == {"nll", "aux_loss"}
    assert 0.001 * 1 < output.parts["aux_loss"] < 0.001 * 4
    assert output.loss.item() == pytest.approx(sum(part.item() for part in output.parts.values()))
    packed = model.pack(SAMPLES)
    _, balance = model.model(packed.embeddings, packed.positions, model.within(packed.layouts))
    assert len(balance) == 2
    assert output.parts["aux_loss"].item() == pytest.approx(0.001 * torch.stack(balance).mean().item())


def test_an_expert_that_nothing_goes_to_has_gradient_0() -> None:
    mixture = SparseMixture(8, 16, 4)
    found, balance = mixture(torch.randn(1, 8))
    (found.sum() + balance).backward()
    gradients = [expert.w1.weight.grad for expert in mixture.experts]
    assert sum(gradient is not None and bool(gradient.any()) for gradient in gradients) == 2
    assert all(gradient is not None for gradient in gradients)


def test_mixtral_and_llama_turn_positions_differently() -> None:
    one, other = tiny_model(arch_type="mixtral", experts=3), tiny_model(experts=3)
    assert one.state_dict().keys() == other.state_dict().keys()
    assert one(SAMPLES).loss.item() != pytest.approx(other(SAMPLES).loss.item(), abs=1e-4)
