"""A model on several devices computes what it computes on one.

Devices that tell each other's tensors apart are there on every machine: `meta`, which computes nothing but shapes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.parametrize import register_parametrization

from tests.decoding.choices import each
from tests.models.tiny import draw_codes, speech, tiny_config, tiny_model
from vall_e.config.offloading import OffloadingConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.models.backbones.checkpointing import Checkpointing
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.optim.offload_plan import chosen
from vall_e.optim.offloading import leaf_sizes, offload, offload_as_told

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def samples() -> list[ModelInput]:
    return [speech(0), speech(3), speech(0, task="stt", response=draw_codes(6))]


def spread(model: VallE, include: list[str], devices: list[str]) -> dict[str, str]:
    """One module after another to the next device."""
    names = chosen(leaf_sizes(model), include, [])
    return {name: devices[index % len(devices)] for index, name in enumerate(names)}


@pytest.fixture
def shapes_alone() -> Iterator[None]:
    """Tensors are computed by shape and device only, and an operation on tensors of two devices is an error."""
    mode = FakeTensorMode()
    mode.allow_meta = True
    with mode:
        yield


PLACEMENTS = [["meta:0", "meta:1", "cpu"], ["meta:1"], ["cpu", "meta:1"]]


@pytest.mark.parametrize("devices", PLACEMENTS, ids=" ".join)
@pytest.mark.parametrize("include", [["model"], [""], ["emb"]], ids=["backbone", "all", "embeddings"])
def test_tensors_follow_the_modules(shapes_alone: None, include: list[str], devices: list[str]) -> None:
    model, home = VallE(tiny_config()), torch.device("meta:0")
    placed = spread(model, include, devices)
    offload(model, placed, home)
    for name, device in placed.items():
        assert {str(p.device) for p in model.get_submodule(name).parameters()} == {device}
    assert model.sep.device == home
    hidden = model.hidden(model.pack(samples()))
    logits = model.logits("AR:0:0", hidden)
    assert hidden.device == logits.device == home
    logits.sum().backward()  # type: ignore[no-untyped-call]
    found = [p for p in model.model.parameters() if p.grad is not None]
    assert len(found) == len(list(model.model.parameters()))
    assert all(p.grad is not None and p.grad.device == p.device for p in found)


@pytest.mark.parametrize("devices", PLACEMENTS, ids=" ".join)
@pytest.mark.parametrize("include", [["model"], [""], ["emb"], ["layers.1."]], ids=" ".join)
def test_tensors_follow_to_early_exits(shapes_alone: None, include: list[str], devices: list[str]) -> None:
    model, home = VallE(tiny_config(size={"dim": 32, "heads": 2, "layers": 3})), torch.device("meta:0")
    offload(model, spread(model, include, devices), home)
    packed = model.pack(samples())
    told = (packed.embeddings, packed.positions, model.within(packed.layouts))
    states, _ = model.model.states(*told, {0, 1})
    logits = [model.logits("AR:0:0", hidden) for hidden in states.values()]
    assert [one.device for one in logits] == [home] * 3
    torch.stack(logits).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.device == p.device for p in model.model.parameters())


def test_layers_of_one_device_hand_on_their_output_there(shapes_alone: None) -> None:
    model = VallE(tiny_config(size={"dim": 32, "heads": 2, "layers": 3}))
    layers = ("layers.1.", "layers.2.")
    offload(model, dict.fromkeys(chosen(leaf_sizes(model), layers, []), "meta:1"), torch.device("meta:0"))
    seen: list[str] = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _, given, output: seen.append(f"{given[0].device} {output.device}"))
    assert model.hidden(model.pack(samples())).device == torch.device("meta:0")
    assert seen == ["meta:0 meta:0", "meta:1 meta:1", "meta:1 meta:1"]


def gradients(model: VallE) -> dict[str, torch.Tensor]:
    model(samples()).loss.backward()
    return {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}


def as_told(model: VallE, home: torch.device, **settings: object) -> VallE:
    offload_as_told(model, OffloadingConfig(**settings), home)  # type: ignore[arg-type]
    return model


def check_alike(home: torch.device, **settings: object) -> None:
    whole, split = tiny_model().train(), as_told(tiny_model().train(), home, **settings)
    split.model.checkpointing = Checkpointing(every=1)
    torch.testing.assert_close(split(samples()).loss.cpu(), whole(samples()).loss)
    expected, found = gradients(whole), gradients(split)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_hooks_change_no_result() -> None:
    model = tiny_model()
    names = leaf_sizes(model)
    offload(model, {name: f"cpu:{index % 3}" for index, name in enumerate(names)}, CPU)  # three names of one device
    assert model(samples()).loss.equal(tiny_model()(samples()).loss)


def test_without_a_gpu_everything_stays_on_the_cpu() -> None:
    check_alike(CPU, devices=["cpu"], limits=[0], exclude=["layers.1"])


def test_sizes_are_bytes_of_the_modules_with_parameters_of_their_own() -> None:
    model = tiny_model()
    sizes = leaf_sizes(model)
    assert sizes["model.layers.0.mlp.up_proj"] == 4 * 32 * 128
    assert sum(sizes.values()) + 2 * 4 * 32 == sum(p.nbytes for p in model.parameters())
    assert sum(leaf_sizes(model.bfloat16()).values()) == sum(sizes.values()) // 2


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([2.0]))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return self.factor * weight


def test_a_module_goes_with_its_parametrizations(shapes_alone: None) -> None:
    model, name = VallE(tiny_config()), "model.layers.1.mlp.up_proj"
    register_parametrization(model.get_submodule(name), "weight", Doubled())
    sizes = leaf_sizes(model)
    assert sizes[name] == 4 * 32 * 128 + 4 and not any("parametrizations" in other for other in sizes)
    offload(model, {name: "meta:1"}, torch.device("meta:0"))
    assert {str(p.device) for p in model.get_submodule(name).parameters()} == {"meta:1"}
    assert model.hidden(model.pack(samples())).device == torch.device("meta:0")


@needs_gpu
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"devices": ["cuda", "cpu"], "limits": [0.5]},
        {"devices": ["cpu", "cuda"], "assign": [["q_proj", "up_proj"]]},
        {"include": [""], "devices": ["cpu"]},
    ],
    ids=["all", "half", "mixed", "cpu"],
)
def test_a_gpu_and_the_cpu_compute_together_what_the_cpu_computes_alone(settings: dict[str, object]) -> None:
    check_alike(torch.device("cuda"), **settings)


@needs_gpu
def test_a_split_model_speaks_as_the_whole_one() -> None:
    split = as_told(tiny_model(), torch.device("cuda"), devices=["cuda", "cpu"], limits=[0.5])
    prefixes = [speech(0, response=None)]
    found, expected = (
        decode_level_zero(model, prefixes, 8, each(lambda _, logits, __: int(logits[:1024].argmax())))
        for model in (split, tiny_model())
    )
    assert found[0].equal(expected[0])
