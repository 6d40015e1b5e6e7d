"""Adapters: what they change, where, at which levels, and how they are merged."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.models.adapted import adapted, logits, same
from tests.models.tiny import TINY, draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.config.lora import LoraConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.generate import generate_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.errors import ConfigError
from vall_e.models.lora.attach import attach, freeze_base
from vall_e.models.lora.levels import at_level
from vall_e.models.lora.policy import adapted_linears
from vall_e.models.lora.tensors import adapter_state_dict, base_state_dict, merged, merged_state_dict
from vall_e.models.vall_e import VallE
from vall_e.models.weights.fit import fit

FORMS = pytest.mark.parametrize("parametrize", [False, True], ids=["replace", "parametrize"])


def exact_model() -> VallE:
    """In double precision, where two ways to compute the same differ by nothing that shows."""
    return tiny_model().double()


@FORMS
@pytest.mark.parametrize("embeddings", [False, True])
def test_a_fresh_adapter_changes_nothing(parametrize: bool, embeddings: bool) -> None:
    model = tiny_model()
    before = logits(model)
    attach(model, {"a": LoraConfig(rank=4, parametrize=parametrize, embeddings=embeddings)})
    assert logits(model).equal(before)


@FORMS
@pytest.mark.parametrize(("rank", "alpha"), [(4, 4), (8, 2), (2, 16)])
def test_a_map_changes_by_alpha_over_rank_times_the_product(rank: int, alpha: int, parametrize: bool) -> None:
    plain = tiny_model().model.get_submodule("layers.1.mlp.down_proj")
    model = adapted(a=LoraConfig(rank=rank, alpha=alpha, parametrize=parametrize))
    tensors, x = adapter_state_dict(model, "a"), torch.randn(5, 128)
    down, up = (tensors[f"model.layers.1.mlp.down_proj.lora_{which}"] for which in "AB")
    assert (down.shape, up.shape) == ((rank, 128), (32, rank))
    expected = x @ plain.weight.T + alpha / rank * (x @ down.T @ up.T)
    assert same(model.model.get_submodule("layers.1.mlp.down_proj")(x), expected)


def test_the_first_factor_is_kaiming_uniform_and_the_second_zero() -> None:
    model = tiny_model()
    attach(model, {"a": LoraConfig(rank=64)})
    tensors = adapter_state_dict(model, "a")
    for name, tensor in tensors.items():
        bound = 1 / math.sqrt(tensor.shape[1])  # sqrt(6 / ((1 + 5) * fan_in)): slope sqrt(5)
        if name.endswith("lora_A"):
            assert 0.99 * bound < tensor.abs().max() <= bound
            assert float(tensor.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
        else:
            assert not tensor.any(), name


def test_both_forms_are_the_same_function() -> None:
    cfg = {"rank": 4, "alpha": 8, "embeddings": True}
    outputs, parametrized = (adapted(exact_model(), a=LoraConfig(**cfg, parametrize=form)) for form in (False, True))
    assert adapter_state_dict(outputs, "a").keys() == adapter_state_dict(parametrized, "a").keys()
    assert same(logits(outputs), logits(parametrized))
    assert not same(logits(outputs), logits(exact_model()))


def test_of_llama_all_maps_but_the_keys_are_adapted() -> None:
    model = VallE(tiny_config(size=TINY | {"layers": 12}))
    attach(model, {"a": LoraConfig(rank=1)})
    names = list(adapter_state_dict(model, "a"))
    assert len(names) == 144
    assert all(name.startswith("model.layers.") for name in names)
    maps = ("self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    assert Counter(name.split(".", 3)[3].rpartition(".")[0] for name in names) == dict.fromkeys(maps, 24)


def backbone(*names: str) -> nn.Module:
    """Linear maps by dotted names."""
    root = nn.Module()
    for name in names:
        above, at = root, name.split(".")
        for part in at[:-1]:
            if part not in dict(above.named_children()):
                above.add_module(part, nn.Module())
            above = above.get_submodule(part)
        above.add_module(at[-1], nn.Linear(2, 2))
    return root


@pytest.mark.parametrize(
    ("arch_type", "adapted_names"),
    [
        ("llama", {"layers.0.self_attn.q_proj", "layers.0.mlp.up_proj"}),
        ("retnet", {"layers.0.self_attn.k_proj", "layers.0.self_attn.q_proj", "layers.0.mlp.up_proj"}),
        (
            "mamba2",
            {
                "layers.0.self_attn.k_proj",
                "layers.0.self_attn.q_proj",
                "layers.0.mlp.up_proj",
                "layers.0.retention.k_proj",
                "head",
            },
        ),
    ],
)
def test_each_backbone_has_its_policy(arch_type: str, adapted_names: set[str]) -> None:
    names = ("self_attn.k_proj", "self_attn.q_proj", "mlp.up_proj", "retention.k_proj")
    modules = backbone(*(f"layers.0.{name}" for name in names), "head")
    assert set(adapted_linears(modules, arch_type)) == adapted_names


def test_an_adapter_speaks_at_its_levels_alone() -> None:
    model, plain = adapted(a=LoraConfig(rank=4, rvq_levels=[0, 3])), tiny_model()
    for level in range(5):
        with at_level(model, level):
            assert logits(model, [level]).equal(logits(plain, [level])) == (level not in (0, 3)), level
        with at_level(model, level, use_lora=True):
            assert not logits(model, [level]).equal(logits(plain, [level]))
        with at_level(model, level, use_lora=False):
            assert logits(model, [level]).equal(logits(plain, [level]))


def spoken(model: VallE, **sampling: bool) -> Tensor:
    request = SpeechRequest(tokens=draw_text(6), prompt=draw_codes(5))
    return generate_speech(model, [request], SamplingConfig(max_duration=6, **sampling), seed=3)[0].codes


def test_speech_changes_from_the_level_of_the_adapter_on() -> None:
    plain, model = spoken(tiny_model()), adapted(a=LoraConfig(rank=4, alpha=32, rvq_levels=[3]))
    found = spoken(model)
    assert found[:, :3].equal(plain[:, :3])
    assert not found[:, 3].equal(plain[:, 3])
    assert spoken(model, use_lora=False).equal(plain)
    assert not spoken(model, use_lora=True)[:, :3].equal(plain[:, :3])


@FORMS
def test_several_adapters_add_up_and_are_switched_one_by_one(parametrize: bool) -> None:
    first, second = LoraConfig(rank=4, embeddings=True), LoraConfig(rank=2, alpha=4, parametrize=parametrize)
    both = adapted(a=first, b=second)
    at = "layers.0.self_attn.q_proj"
    change = both.model.get_submodule(at)(torch.eye(32)).T - tiny_model().model.get_submodule(at).weight
    scaled = []
    for name, scale in (("a", 32), ("b", 2)):
        tensors = adapter_state_dict(both, name)
        scaled.append(scale * tensors[f"model.{at}.lora_B"] @ tensors[f"model.{at}.lora_A"])
    assert same(change, sum(scaled, torch.zeros(32, 32)))
    both.adapters["b"].enabled = False
    assert same(logits(both), logits(adapted(a=first)))
    both.adapters["a"].enabled = False
    assert logits(both).equal(logits(tiny_model()))


def test_what_is_not_enabled_is_silent_whatever_is_asked() -> None:
    model = adapted(a=LoraConfig(rank=4))
    model.adapters["a"].enabled = False
    with at_level(model, 0, use_lora=True):
        assert logits(model).equal(logits(tiny_model()))
    model.adapters["a"].enabled = True
    assert not same(logits(model), logits(tiny_model()))


@FORMS
@pytest.mark.parametrize("embeddings", [False, True])
def test_merged_weights_say_the_same(parametrize: bool, embeddings: bool) -> None:
    shapes = {name: tensor.shape for name, tensor in tiny_model().state_dict().items()}
    model = adapted(
        exact_model(),
        a=LoraConfig(rank=4, alpha=8, parametrize=parametrize, embeddings=embeddings),
        b=LoraConfig(rank=2, embeddings=embeddings),
        off=LoraConfig(rank=2),
    )
    model.adapters["off"].enabled = False
    plain = merged(model)
    assert {name: tensor.shape for name, tensor in plain.state_dict().items()} == shapes and not plain.adapters
    assert same(logits(plain), logits(model)) and not same(logits(plain), logits(exact_model()))


def test_merged_weights_say_the_same_in_single_precision() -> None:
    torch.manual_seed(0)
    model = adapted(VallE(tiny_config()).eval(), a=LoraConfig(rank=4, alpha=8, embeddings=True))
    assert float((logits(merged(model)) - logits(model)).abs().max()) < 1e-5


def test_merging_changes_neither_the_model_nor_its_number_format() -> None:
    model = adapted(tiny_model().bfloat16(), a=LoraConfig(rank=4))
    before = base_state_dict(model)
    kept = {name: tensor.clone() for name, tensor in before.items()}
    assert {tensor.dtype for tensor in merged_state_dict(model).values()} == {torch.bfloat16}
    assert all(tensor.equal(kept[name]) for name, tensor in base_state_dict(model).items())


def test_what_speaks_at_some_levels_alone_is_not_merged() -> None:
    model = adapted(a=LoraConfig(rank=4, rvq_levels=[0, 1]))
    with pytest.raises(ConfigError, match=r"loras\.a\.rvq_levels=\[0, 1\]: .* cannot be merged"):
        merged(model)


@FORMS
def test_the_plain_model_is_told_apart_from_its_adapters(parametrize: bool) -> None:
    plain = tiny_model()
    model = adapted(a=LoraConfig(rank=4, parametrize=parametrize, embeddings=True), b=LoraConfig(rank=2))
    found = base_state_dict(model)
    assert found.keys() == plain.state_dict().keys()
    assert all(tensor.equal(plain.state_dict()[name]) for name, tensor in found.items())


@FORMS
def test_weights_are_loaded_past_adapters(parametrize: bool) -> None:
    model = VallE(tiny_config()).eval()
    attach(model, {"a": LoraConfig(rank=4, parametrize=parametrize, embeddings=True)})
    fit(model, tiny_model().state_dict(), Path("w.safetensors"))
    assert logits(model).equal(logits(tiny_model()))


@FORMS
def test_only_adapters_in_training_are_trained(parametrize: bool) -> None:
    model = tiny_model()
    form = {"rank": 2, "parametrize": parametrize, "embeddings": True}
    attach(model, {"old": LoraConfig(**form, training=False), "new": LoraConfig(**form)})
    freeze_base(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == set(model.adapters["new"].names.values())
    model([speech(0), speech(2)]).loss.backward()
    assert all(parameter.grad is None for name, parameter in model.named_parameters() if name not in trained)
    changes = [f"{table}.lora_change" for table in ("text_emb", "rvq_l_emb", "resps_emb.embeddings.0")]
    for file in (*changes, "model.layers.0.self_attn.q_proj.lora_B", "model.layers.1.mlp.down_proj.lora_B"):
        gradient = model.get_parameter(model.adapters["new"].names[file]).grad
        assert gradient is not None and gradient.any(), file


def test_without_an_adapter_in_training_the_model_stays_trainable() -> None:
    model = tiny_model()
    attach(model, {"a": LoraConfig(rank=2, training=False)})
    freeze_base(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == set(tiny_model().state_dict())


@FORMS
@pytest.mark.parametrize("training", [False, True])
def test_what_is_learnt_is_dropped_out_in_training_alone(parametrize: bool, training: bool) -> None:
    model = adapted(a=LoraConfig(rank=4, parametrize=parametrize, training=training))
    assert logits(model).equal(logits(model))
    model.train()
    torch.manual_seed(0)
    assert logits(model).equal(logits(model)) != training


def test_a_name_is_given_once() -> None:
    model = adapted(a=LoraConfig(rank=2))
    with pytest.raises(ValueError, match="has an adapter called a"):
        attach(model, {"a": LoraConfig(rank=2)})
