"""Positions of the plain transformer, and weights of one bit in BitNet."""

from __future__ import annotations

import math

import pytest
import torch

from tests.models.tiny import speech, tiny_model
from vall_e.models.backbones.bit_linear import BitLinear
from vall_e.models.backbones.transformer import sinusoids

SAMPLES = [speech(0), speech(3, 1)]


def test_positions_are_sines_and_then_cosines() -> None:
    found = sinusoids(torch.tensor([0, 7]), 6)
    assert found[0].tolist() == [0, 0, 0, 1, 1, 1]
    angles = [7 / 10_000 ** (i / 3) for i in range(3)]
    expected = torch.tensor([*map(math.sin, angles), *map(math.cos, angles)])
    torch.testing.assert_close(found[1], expected)


def test_positions_restart_or_not_as_the_settings_say() -> None:
    one, other = (
        tiny_model({"unified_position_ids": unified}, arch_type="transformer")(SAMPLES) for unified in (False, True)
    )
    assert one.loss.item() != pytest.approx(other.loss.item(), abs=1e-4)


def test_all_linear_maps_of_bitnet_have_one_bit() -> None:
    model = tiny_model(arch_type="bitnet")
    linears = [module for module in model.model.modules() if isinstance(module, torch.nn.Linear)]
    assert len(linears) == 2 * 6 and {type(linear) for linear in linears} == {BitLinear}
    for linear in linears:
        assert isinstance(linear, BitLinear)
        magnitude = linear.weight.abs().mean().expand_as(linear.weight)
        torch.testing.assert_close(linear.binary_weight().abs(), magnitude)
