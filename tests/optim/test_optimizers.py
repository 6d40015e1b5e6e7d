"""Which parameters decay, and what an optimizer can be told."""

from __future__ import annotations

from typing import Any

import pytest
from torch.optim import Optimizer

from tests.optim.kinds import KINDS, learning_model, step
from tests.small_run import TINY
from vall_e.config.hyperparameters import DEEPSPEED_OPTIMIZERS, HyperparametersConfig
from vall_e.config.lora import LoraConfig
from vall_e.config.model import ModelConfig
from vall_e.errors import ConfigError
from vall_e.models.lora.attach import attach, freeze_base
from vall_e.models.vall_e import VallE
from vall_e.optim.optimizers import build_optimizer


@pytest.fixture(scope="module")
def model() -> VallE:
    return VallE(ModelConfig(size=TINY))


def build(model: VallE, frozen: list[str] | None = None, **settings: Any) -> Optimizer:
    return build_optimizer(model, HyperparametersConfig(**settings), frozen or [])


def names(model: VallE, optimizer: Optimizer, group: int) -> set[str]:
    called = {id(parameter): name for name, parameter in model.named_parameters()}
    return {called[id(parameter)] for parameter in optimizer.param_groups[group]["params"]}


def test_matrices_decay_and_embeddings_norms_and_vectors_do_not(model: VallE) -> None:
    optimizer = build(model)
    decayed, others = names(model, optimizer, 0), names(model, optimizer, 1)
    assert decayed | others == {name for name, _ in model.named_parameters()} and not decayed & others
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    assert {"sep", "dropout_token", "model.norm.weight"} <= others
    assert {name for name in others if "emb" in name} == {n for n, _ in model.named_parameters() if "emb" in n}
    assert any(name.endswith("q_proj.weight") for name in decayed) and any("classifiers" in name for name in decayed)


@pytest.mark.parametrize("name", ["adamw", "muon", "apollo"])
def test_rates_of_a_state_space_are_no_map_and_do_not_decay(name: str) -> None:
    mamba = VallE(ModelConfig(size=TINY, arch_type="mamba"))
    optimizer = build(mamba, optimizer=name)
    *_, others = (names(mamba, optimizer, group) for group in range(len(optimizer.param_groups)))
    assert {name for name, _ in mamba.named_parameters() if "A_log" in name} <= others
    assert optimizer.param_groups[-1]["weight_decay"] == 0.0


def test_of_an_adapter_the_product_decays_and_the_change_of_embeddings_does_not() -> None:
    adapted = VallE(ModelConfig(size=TINY))
    attach(adapted, {"a": LoraConfig(rank=2, embeddings=True), "b": LoraConfig(rank=2, parametrize=True)})
    freeze_base(adapted)
    optimizer = build(adapted)
    decayed, others = names(adapted, optimizer, 0), names(adapted, optimizer, 1)
    assert {name.rpartition(".")[2] for name in decayed} == {"lora_A", "lora_B"}
    assert {name.rpartition(".")[2] for name in others} == {"lora_change"}


@pytest.mark.parametrize("name", KINDS)
def test_every_optimizer_learns(name: str) -> None:
    model = learning_model()
    optimizer = KINDS[name].built(model)
    losses = [step(model, optimizer) for _ in range(20)]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("name", [name for name in KINDS if name != "muon"])
def test_weight_decay_can_be_set(name: str) -> None:
    optimizer = KINDS[name].built(learning_model(), weight_decay=0.5)
    decays = [group["weight_decay"] for group in optimizer.param_groups]
    assert decays == ([0.5, 0.5, 0.0] if "apollo" in name else [0.5, 0.0])


@pytest.mark.parametrize("name", DEEPSPEED_OPTIMIZERS)
def test_an_optimizer_of_deepspeed_is_no_torch_optimizer(model: VallE, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is DeepSpeed's own: hyperparameters.torch_optimizer=false"):
        build(model, optimizer=name)


def test_adamw_has_the_defaults_of_the_field_and_parameters_lie_over_them(model: VallE) -> None:
    group = build(model, learning_rate=0.5).param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.9, 0.96), 1e-7)
    assert tuple(build(model, optimizer_params={"betas": [0.8, 0.9]}).param_groups[0]["betas"]) == (0.8, 0.9)


def test_prodigy_takes_the_learning_rate_as_its_factor(model: VallE) -> None:
    group = build(model, optimizer="prodigy", learning_rate=0.5).param_groups[0]
    assert (group["lr"], group["d_coef"]) == (1.0, 0.5)


def test_a_parameter_the_optimizer_does_not_know_is_refused(model: VallE) -> None:
    with pytest.raises(ConfigError, match=r"hyperparameters\.optimizer_params does not fit adamw: .*momentum"):
        build(model, optimizer_params={"momentum": 0.9})


@pytest.mark.parametrize("value", [{"betas": [2, 3]}, {"betas": 0.9}, {"eps": -1}])
def test_a_value_the_optimizer_refuses_is_told(model: VallE, value: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"hyperparameters\.optimizer_params does not fit adamw"):
        build(model, optimizer_params=value)


def test_frozen_parameters_are_left_out() -> None:
    model = VallE(ModelConfig(size=TINY))
    optimizer = build(model, ["sep"])
    assert "sep" not in names(model, optimizer, 0) | names(model, optimizer, 1)
    assert not model.sep.requires_grad


def test_an_unknown_name_to_freeze_is_refused_with_the_nearest(model: VallE) -> None:
    with pytest.raises(ConfigError, match=r"model\.frozen_params: .*'text_emb\.weigth'.*text_emb\.weight"):
        build(model, ["text_emb.weigth"])
