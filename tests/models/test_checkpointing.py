"""What the layers of a backbone keep for the backward pass, and where."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from tests.models.tiny import speech, tiny_model
from vall_e.config.optimizations import OptimizationsConfig
from vall_e.config.trainer import TrainerConfig
from vall_e.models.backbones import checkpointing
from vall_e.models.backbones.checkpointing import Checkpointing, to_device, to_main_memory

LAYERS, DIM = 4, 32
SIZE = {"dim": DIM, "heads": 2, "layers": LAYERS}


def kept(policy: Checkpointing, *, training: bool = True) -> tuple[int, int]:
    """Bytes and number of the tensors that the backbone keeps."""
    model = tiny_model(size=SIZE).train(training)
    model.model.checkpointing = policy
    packed = model.pack([speech(0)])
    found: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        found.append(tensor.nbytes)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model.hidden(packed)
    return sum(found), len(found)


def test_the_more_layers_are_checkpointed_the_less_is_kept() -> None:
    none, second, every = (kept(Checkpointing(every=n))[0] for n in (0, 2, 1))
    assert none > 1.8 * second - every > second > 3 * every
    assert (none - second) == pytest.approx(second - every, rel=0.01)


def test_checkpointing_acts_in_training_only() -> None:
    assert kept(Checkpointing(every=1), training=False) == kept(Checkpointing())


def test_inputs_of_checkpointed_layers_wait_in_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[tuple[int, ...]] = []
    came: list[tuple[int, ...]] = []

    def count_out(tensor: Tensor) -> Any:
        went.append(tuple(tensor.shape))
        return to_main_memory(tensor)

    def count_in(waiting: Any) -> Tensor:
        came.append(tuple(waiting[1].shape))
        return to_device(waiting)

    monkeypatch.setattr(checkpointing, "to_main_memory", count_out)
    monkeypatch.setattr(checkpointing, "to_device", count_in)
    model = tiny_model(size=SIZE).train()
    model.model.checkpointing = Checkpointing(every=2, offload=True)
    packed = model.pack([speech(0)])
    loss = model.hidden(packed).square().sum()
    inputs = [shape for shape in went if shape == tuple(packed.embeddings.shape)]
    assert len(inputs) == LAYERS // 2
    assert not came
    loss.backward()  # type: ignore[no-untyped-call]
    assert [shape for shape in came if shape in inputs] == inputs


def test_on_the_cpu_nothing_is_copied() -> None:
    tensor = torch.randn(3)
    device, waiting = to_main_memory(tensor)
    assert waiting is tensor
    assert to_device((device, waiting)) is tensor


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_holds_less_and_finds_the_same_gradients() -> None:
    def run(policy: Checkpointing) -> tuple[int, Tensor]:
        model = tiny_model(size={"dim": 256, "heads": 4, "layers": 12}).train().cuda()
        model.model.checkpointing = policy
        packed = model.pack([speech(0, frames=800)] * 8)
        before = torch.cuda.memory_allocated()
        loss = model.hidden(packed).square().mean()
        held = torch.cuda.memory_allocated() - before
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = model.model.layers[0].mlp.up_proj.weight.grad
        assert isinstance(gradient, Tensor)
        return held, gradient

    (held, expected), (less, found) = run(Checkpointing(every=1)), run(Checkpointing(every=1, offload=True))
    assert less < held / 3
    assert found.equal(expected)


def test_the_settings_choose() -> None:
    def chosen(unsloth: bool = False, **trainer: Any) -> Checkpointing:
        return Checkpointing.chosen_by(TrainerConfig(**trainer), OptimizationsConfig(unsloth=unsloth))

    assert chosen() == Checkpointing(every=1)
    assert chosen(gradient_checkpointing=False) == Checkpointing(every=0)
    assert chosen(unsloth=True, checkpoint_every=3) == Checkpointing(every=3, offload=True)
