"""What holds for every backbone: sequences stay apart, steps follow from what came before, everything is learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.adapted import learn, logits
from tests.models.backbones import ATTENDING, BACKBONES, next_positions
from tests.models.tiny import draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.config.architectures import WITHOUT_MLP
from vall_e.config.lora import LoraConfig
from vall_e.config.seal import problems
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.reply import Reply
from vall_e.errors import ConfigError
from vall_e.models.backbones.checkpointing import Checkpointing
from vall_e.models.layout import ModelInput
from vall_e.models.lora.attach import attach
from vall_e.models.lora.tensors import adapter_state_dict, merged
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import load_weights, save_weights
from vall_e.text import open_tokenizer

MIXED = [speech(0, 0), speech(5, 1, 9), speech(0, 2, 3), speech(1, 3), speech(7, 4)]
PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
    ModelInput(text=draw_text(3, 2), prompt=draw_codes(11, 1), lang=2),
]
CODEC = CodecIdentity(name="builtin", digest="d", sample_rate=24000, frame_rate=75, levels=8, codebook_size=1024)
EVERY = pytest.mark.parametrize("name", BACKBONES)


def model_of(name: str, **changes: object) -> VallE:
    return tiny_model(**(BACKBONES[name] | changes))


@EVERY
def test_its_settings_hold(name: str) -> None:
    assert list(problems(tiny_config(**BACKBONES[name]))) == []


@EVERY
def test_hidden_states_of_a_batch_are_those_of_each_alone(name: str) -> None:
    model = model_of(name)
    packed = model.pack(MIXED)
    for sample, hidden in zip(MIXED, torch.split(model.hidden(packed), packed.lengths), strict=True):
        torch.testing.assert_close(hidden, model.hidden(model.pack([sample])), atol=1e-4, rtol=1e-4)


def reach(model: VallE, samples: list[ModelInput], at: int) -> Tensor:
    """Which inputs the hidden state `at` depends on: bool [S]."""
    packed = model.pack(samples)
    inputs = packed.embeddings.detach().requires_grad_()
    model.hidden(replace(packed, embeddings=inputs))[at].square().sum().backward()
    assert inputs.grad is not None
    return inputs.grad.abs().sum(-1) > 0


@EVERY
def test_no_sequence_sees_another_and_a_causal_pass_nothing_later(name: str) -> None:
    model = model_of(name)
    first, second = model.pack(MIXED[2:4]).lengths[0], 9
    assert reach(model, [MIXED[2], speech(0)], first + second).nonzero().flatten().tolist() == list(
        range(first, first + second + 1)
    )


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_sees_all_of_a_level_that_is_told_at_once(name: str) -> None:
    assert reach(model_of(name), [speech(3)], 9).all()
    flags = BACKBONES[name].get("flags", {}) | {"noncausal_masks": False}
    assert reach(model_of(name, flags=flags), [speech(3)], 9).nonzero().flatten().tolist() == list(range(10))


@EVERY
@torch.inference_mode()
def test_steps_give_what_the_whole_sequences_give(name: str) -> None:
    model, steps = model_of(name), 12
    codes = torch.stack([draw_codes(steps, row)[:, 0] for row in range(3)])
    whole = model.pack([replace(p, response=codes[row, :, None]) for row, p in enumerate(PREFIXES)])
    expected = [hidden[-steps - 1 :] for hidden in torch.split(model.hidden(whole), whole.lengths)]
    packed = model.pack(PREFIXES)
    cache = model.model.cache(max(packed.lengths) + steps, packed.embeddings)
    begun = model.hidden(packed, cache.admit(packed.lengths))
    found = [torch.stack([hidden[-1] for hidden in torch.split(begun, packed.lengths)])]
    positions = next_positions(model, packed.layouts)
    for step in range(steps):
        hidden, _ = model.model(model.resps_emb.read(0, codes[:, step]), positions + step, cache.step())
        found.append(hidden)
    torch.testing.assert_close(torch.stack(found, 1), torch.stack(expected), atol=1e-4, rtol=1e-4)


@EVERY
def test_a_row_says_the_same_alone_and_in_a_batch(name: str) -> None:
    model = model_of(name)

    def likeliest(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
        return logits.argmax(-1).tolist()

    together, one_by_one = (decode_level_zero(model, PREFIXES, 15, likeliest, rows=rows) for rows in (3, 2))
    alone = [decode_level_zero(model, [prefix], 15, likeliest)[0] for prefix in PREFIXES]
    assert [ids.tolist() for ids in together] == [ids.tolist() for ids in alone]
    assert [ids.tolist() for ids in one_by_one] == [ids.tolist() for ids in alone]
    assert len({id for ids in together for id in ids.tolist()}) > 1


def gradients(model: VallE) -> dict[str, Tensor | None]:
    torch.manual_seed(5)
    model(MIXED).loss.backward()
    return {name: p.grad for name, p in model.model.named_parameters() if p.requires_grad}


@EVERY
def test_every_parameter_is_learnt(name: str) -> None:
    found = gradients(model_of(name, dropout=0.1).train())
    assert [n for n, gradient in found.items() if gradient is None or not gradient.any()] == []
    assert all(gradient.isfinite().all() for gradient in found.values() if gradient is not None)


@EVERY
def test_checkpointing_changes_no_gradient(name: str) -> None:
    plain, saving = model_of(name, dropout=0.3).train(), model_of(name, dropout=0.3).train()
    saving.model.checkpointing = Checkpointing(every=1)
    expected = gradients(plain)
    for key, gradient in gradients(saving).items():
        torch.testing.assert_close(gradient, expected[key], msg=key)


@EVERY
def test_dropout_acts_in_training_alone(name: str) -> None:
    model = model_of(name, dropout=0.5)
    exact = model(MIXED).loss.item()
    assert model_of(name)(MIXED).loss.item() == exact
    assert model.train()(MIXED).loss.item() != pytest.approx(exact, abs=1e-4)


@EVERY
def test_a_skipped_layer_is_left_out(name: str) -> None:
    model, shorter = model_of(name), model_of(name)
    last = len(model.model.stack) - 1
    del shorter.model.stack[last]
    assert model(MIXED, {last}).loss.item() == shorter(MIXED).loss.item() != model(MIXED).loss.item()
    assert len(model.model.skip_chances) == last + 1


@EVERY
def test_compiled_mlps_compute_the_same(name: str) -> None:
    model, graphs = model_of(name), []
    expected = model(MIXED).loss

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    model.model.compile_mlps(backend)
    torch.testing.assert_close(model(MIXED).loss, expected)
    assert bool(graphs) == (BACKBONES[name].get("arch_type") not in WITHOUT_MLP)


@EVERY
def test_in_bfloat16_it_learns_and_says_about_the_same(name: str) -> None:
    model = model_of(name).bfloat16()
    loss = model(MIXED).loss
    loss.backward()
    assert loss.item() == pytest.approx(model_of(name)(MIXED).loss.item(), rel=0.01)
    assert all(p.grad.isfinite().all() for p in model.model.parameters() if p.grad is not None)


@EVERY
def test_weights_are_read_back(name: str, tmp_path: Path) -> None:
    model, path = model_of(name), tmp_path / "w.safetensors"
    save_weights(path, model.state_dict(), model.cfg, open_tokenizer("naive", None), CODEC, 1)
    loaded = load_weights(path, torch.device("cpu")).model
    assert loaded(MIXED).loss.equal(model(MIXED).loss)


@EVERY
@pytest.mark.parametrize("parametrize", [False, True], ids=["replace", "parametrize"])
def test_adapters_change_what_it_says_and_can_be_merged(name: str, parametrize: bool) -> None:
    model = model_of(name).double()
    plain = logits(model)
    attach(model, {"a": LoraConfig(rank=2, parametrize=parametrize)})
    assert adapter_state_dict(model, "a") and torch.allclose(logits(model), plain)
    learn(model, "a")
    assert not torch.allclose(logits(model), plain)
    if BACKBONES[name].get("arch_type") == "bitnet" and not parametrize:
        with pytest.raises(ConfigError, match=r"loras\.a\.parametrize=false.*one bit cannot be merged"):
            merged(model)
        return
    torch.testing.assert_close(logits(merged(model)), logits(model))


def test_shared_keys_and_values_are_those_of_heads_that_are_alike() -> None:
    shared, full = tiny_model({"kv_heads": 1}), tiny_model()
    state = shared.state_dict()
    for name in [name for name in state if "k_proj" in name or "v_proj" in name]:
        assert state[name].shape == (16, 32)
        state[name] = state[name].repeat(2, 1)
    full.load_state_dict(state)
    torch.testing.assert_close(shared(MIXED).loss, full(MIXED).loss)
    cache = shared.model.cache(5, torch.zeros(1))
    cache.admit([2, 3, 1])
    assert cache.keys.shape == (2, 3, 1, 5, 16)
