"""Modules that compute in fewer bits take the place of others, keep their parameters and learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.models.tiny import tiny_config
from tests.optim.kinds import KINDS, SAMPLES, learning_model, step
from vall_e.audio.codec import CodecIdentity
from vall_e.config.optimizations import OptimizationsConfig
from vall_e.errors import ConfigError
from vall_e.models.backbones.bit_linear import BitLinear
from vall_e.models.swapping import swap_modules
from vall_e.models.swapping.float8 import to_float8
from vall_e.models.swapping.swap import swap
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import load_weights, save_weights
from vall_e.text import open_tokenizer

CPU = torch.device("cpu")
CODEC = CodecIdentity(name="builtin", digest="d", sample_rate=24000, frame_rate=75, levels=8, codebook_size=1024)


def swapped(**told: bool) -> VallE:
    """The tiny model with modules of another kind."""
    return swap_modules(learning_model(), OptimizationsConfig(replace=True, **told), CPU)


def kinds(model: nn.Module) -> set[str]:
    return {type(module).__name__ for module in model.modules() if isinstance(module, nn.Linear)}


def test_nothing_is_swapped_unless_told() -> None:
    assert kinds(swap_modules(learning_model(), OptimizationsConfig(bitnet=True), CPU)) == {"Linear"}
    assert kinds(swapped()) == kinds(swapped(bitnet=True, linear=False)) == {"Linear"}


def test_linear_layers_of_the_backbone_are_swapped_and_heads_stay() -> None:
    model = swapped(bitnet=True)
    assert kinds(model.model) == {"BitLinear"} and kinds(model) == {"BitLinear", "Linear"}


def test_injecting_swaps_the_heads_too(caplog: pytest.LogCaptureFixture) -> None:
    model = swap_modules(learning_model(), OptimizationsConfig(injects=True, bitnet=True), CPU)
    assert kinds(model) == {"BitLinear"} and "at a loss of accuracy" in caplog.text


def test_parameters_keep_their_names_and_values() -> None:
    plain = learning_model().state_dict()
    for model in (swapped(bitnet=True), swapped(bitsandbytes=True), emulated_float8()):
        state = model.state_dict()
        assert state.keys() == plain.keys()
        assert all(torch.equal(state[name], value) for name, value in plain.items())


def test_a_bit_linear_multiplies_signs_and_eight_bits() -> None:
    layer = BitLinear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.1], [0.2, 0.6]]))  # mean 0.3, mean magnitude 0.35
    inputs = torch.tensor([[3.0, -4.0]])
    normalised = inputs / (12.5**0.5)
    step_size = normalised.abs().max() / 127
    rounded = (normalised / step_size).round() * step_size
    expected = torch.stack([rounded[0, 0] - rounded[0, 1], -rounded[0, 0] + rounded[0, 1]]) * 0.35
    torch.testing.assert_close(layer(inputs)[0], expected, atol=1e-5, rtol=1e-5)


def test_gradients_of_a_bit_linear_reach_the_exact_weights() -> None:
    layer = BitLinear(8, 4, bias=False)
    inputs = torch.randn(3, 8)
    layer(inputs).sum().backward()
    assert layer.weight.grad is not None
    torch.testing.assert_close(
        layer.weight.grad, torch.nn.functional.rms_norm(inputs, (8,)).sum(0).expand(4, 8), atol=0.05, rtol=0.05
    )


def emulated_float8() -> VallE:
    """The tiny model in 8-bit floating point, as a device without computes it."""
    pytest.importorskip("torchao")
    model = learning_model()
    swap(model.model, nn.Linear, lambda linear: to_float8(linear, emulate=True))
    return model


def eight_bit() -> VallE:
    pytest.importorskip("bitsandbytes")
    return swapped(bitsandbytes=True)


@pytest.mark.parametrize("build", [eight_bit, emulated_float8])
def test_eight_bits_are_close_to_all_of_them_and_learn(build: object) -> None:
    assert callable(build)
    model, plain = build(), learning_model()
    optimizers = [KINDS["adamw"].built(m) for m in (model, plain)]
    losses = [[step(m, o) for m, o in zip((model, plain), optimizers, strict=True)] for _ in range(20)]
    assert losses[0][0] == pytest.approx(losses[0][1], abs=0.01) and losses[0][0] != losses[0][1]
    assert losses[-1][0] == pytest.approx(losses[-1][1], abs=0.1) and losses[-1][0] < losses[0][0] - 1


def test_eight_bit_layers_follow_their_weights_while_gradients_are_kept() -> None:
    model = eight_bit()
    before = model(SAMPLES).loss
    before.backward()
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.mul_(3)
    assert not torch.equal(model(SAMPLES).loss, before)


def test_a_bitnet_learns() -> None:
    model = swapped(bitnet=True)
    optimizer = KINDS["adamw"].built(model)
    losses = [step(model, optimizer) for _ in range(20)]
    assert losses[-1] < losses[0] - 1


def test_embeddings_of_bitsandbytes_keep_32_bits_of_state() -> None:
    pytest.importorskip("bitsandbytes")
    model = swapped(bitsandbytes=True, linear=False)
    optimizer = KINDS["adamw-8bit"].built(model, min_8bit_size=1)
    step(model, optimizer)
    states = {name: optimizer.state[parameter] for name, parameter in model.named_parameters()}
    assert states["text_emb.weight"]["state1"].dtype is torch.float32
    assert states["model.layers.0.mlp.down_proj.weight"]["state1"].dtype is torch.uint8


def test_float8_is_refused_on_a_device_without() -> None:
    with pytest.raises(ConfigError, match="fp8=true needs a GPU that has 8-bit floating point"):
        swapped(fp8=True)


def test_weights_of_a_bitnet_are_loaded_as_such(tmp_path: Path) -> None:
    model, path = swapped(bitnet=True), tmp_path / "w.safetensors"
    save_weights(path, model.state_dict(), tiny_config(), open_tokenizer("naive", None), CODEC, 1, "backbone")
    loaded = load_weights(path, CPU).model
    assert kinds(loaded.model) == {"BitLinear"} and kinds(loaded) == {"BitLinear", "Linear"}
    model.eval()
    with torch.no_grad():
        assert torch.equal(loaded(SAMPLES).loss, model(SAMPLES).loss)
