"""What a position sees, told by gradients and by batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.models.tiny import draw_codes, draw_text, speech, tiny_model
from vall_e.errors import ConfigError
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

MIXED = [speech(0, 0), speech(5, 1, 9), speech(0, 2, 3), speech(1, 3)]
STT = ModelInput(task="stt", text=draw_text(7), response=draw_codes(8))


def reach(model: VallE, sample: ModelInput, at: int) -> Tensor:
    """Size of the gradient of the hidden state `at` with respect to every input vector: [S]."""
    packed = model.pack([sample])
    inputs = packed.embeddings.detach().requires_grad_()
    model.hidden(replace(packed, embeddings=inputs))[at].sum().backward()
    assert inputs.grad is not None
    return inputs.grad.abs().sum(-1)


@pytest.mark.parametrize("sample", [speech(0), STT], ids=["ar", "stt"])
def test_a_causal_pass_sees_nothing_later(sample: ModelInput) -> None:
    sizes = reach(tiny_model(), sample, 9)
    assert (sizes[10:] == 0).all()
    assert (sizes[:10] > 0).all()


@pytest.mark.parametrize(
    "sample", [speech(1), speech(7), speech(0, mask=torch.ones(7, dtype=torch.bool))], ids=["1", "7", "masked"]
)
def test_a_nar_pass_sees_the_whole_sequence(sample: ModelInput) -> None:
    model = tiny_model(capabilities=["ar", "nar", "len"])
    assert (reach(model, sample, 9) > 0).all()


def test_old_weights_mask_nar_causally() -> None:
    sizes = reach(tiny_model({"noncausal_masks": False}), speech(3), 9)
    assert (sizes[10:] == 0).all()


def test_no_sequence_of_a_batch_sees_another() -> None:
    model = tiny_model()
    packed = model.pack(MIXED)
    inputs = packed.embeddings.detach().requires_grad_()
    first, second = packed.lengths[:2]
    model.hidden(replace(packed, embeddings=inputs))[first : first + second].sum().backward()
    assert inputs.grad is not None
    touched = inputs.grad.abs().sum(-1) > 0
    assert touched.nonzero().flatten().tolist() == list(range(first, first + second))


def test_hidden_states_of_a_batch_are_those_of_each_alone() -> None:
    model = tiny_model()
    packed = model.pack([*MIXED, STT])
    together = torch.split(model.hidden(packed), packed.lengths)
    for sample, hidden in zip([*MIXED, STT], together, strict=True):
        torch.testing.assert_close(hidden, model.hidden(model.pack([sample])), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["sdpa", "math", "flash_(sdpa)"])
def test_attention_kernels_agree(name: str) -> None:
    expected = tiny_model()(MIXED).loss
    torch.testing.assert_close(tiny_model(attention=name)(MIXED).loss, expected, atol=1e-5, rtol=1e-5)


def test_a_kernel_that_the_cpu_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"attention=mem_efficient.*allowed there: auto, sdpa, math"):
        tiny_model(attention="mem_efficient")(MIXED)
