"""Linear maps of 8-bit integers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models.tiny import STOP, speech, tiny_model
from vall_e.config.lora import LoraConfig
from vall_e.errors import ConfigError
from vall_e.models.int8_linear import Int8Linear, to_int8, to_int8_linears
from vall_e.models.lora.attach import attach


def rows(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_rows_are_rounded_to_what_their_largest_value_allows() -> None:
    integers, scale = to_int8(torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]]))
    assert integers.tolist() == [[64, -127, 32], [0, 0, 0]]
    assert float(scale[0]) == pytest.approx(2 / 127)


@pytest.mark.parametrize("bias", [True, False])
def test_a_map_is_that_of_its_rounded_weights_and_inputs(bias: bool) -> None:
    linear, x = nn.Linear(64, 40, bias=bias), rows(7, 64)
    found = Int8Linear(linear)(x)
    (a, a_scale), (w, w_scale) = to_int8(x), to_int8(linear.weight.detach())
    expected = (a.double() @ w.double().T) * a_scale * w_scale[:, 0] + (linear.bias.detach() if bias else 0)
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found, linear(x).detach(), atol=0.05, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 17, 300])
def test_what_a_row_gives_does_not_depend_on_the_others_to_the_last_bit(count: int) -> None:
    linear, x = Int8Linear(nn.Linear(64, 40)), rows(count, 64)
    together = linear(x)
    assert all(linear(x[row : row + 1])[0].equal(together[row]) for row in range(min(count, 20)))


@torch.inference_mode()
def test_a_model_says_nearly_what_it_says_in_float32() -> None:
    """Logits move by about a hundredth of their spread."""
    plain, rounded, sample = tiny_model(), tiny_model(), speech(0)
    to_int8_linears(rounded)
    assert not any(type(module) is nn.Linear for module in rounded.model.modules())
    found, expected = (
        model.logits("AR:0:0", model.hidden(model.pack([sample])))[:, :STOP] for model in (rounded, plain)
    )
    assert 0 < float((found - expected).std() / expected.std()) < 0.05


def test_adapters_are_to_be_merged_first() -> None:
    model = tiny_model()
    attach(model, {"voice": LoraConfig()})
    with pytest.raises(ConfigError, match=r"does not go with loras: vall_e.export merge_loras=true"):
        to_int8_linears(model)


def test_a_backbone_without_such_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match="int8 does not go with arch_type=bitnet"):
        to_int8_linears(tiny_model(arch_type="bitnet"))
