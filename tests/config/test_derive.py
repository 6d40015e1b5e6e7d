"""Settings that follow from others: what they become, and that it is said."""

from __future__ import annotations

import logging

import pytest

from vall_e.config.composing import compose_config
from vall_e.config.derive import derive
from vall_e.config.schema import Config
from vall_e.config.seal import seal
from vall_e.config.trainer import Backend, TrainerConfig, WeightDtype
from vall_e.errors import ConfigError


def test_nothing_is_derived_from_the_defaults() -> None:
    assert derive(Config()) == []


def test_old_names_of_settings_go_to_the_new_ones(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    overrides = ["hyperparameters.scheduler_type=WarmupLR", "trainer.activation_checkpointing=false"]
    cfg = seal(compose_config("train", overrides), Config)
    assert (cfg.hyperparameters.scheduler, cfg.trainer.gradient_checkpointing) == ("WarmupLR", False)
    told = [record.getMessage() for record in caplog.records if "Derived" in record.getMessage()]
    assert told == [
        "Derived: hyperparameters.scheduler=WarmupLR, from its old name scheduler_type",
        "Derived: trainer.gradient_checkpointing=false, from its old name activation_checkpointing",
    ]


def test_one_vocabulary_has_one_head_and_sums_nothing() -> None:
    cfg = seal(compose_config("train", ["model=ar+nar-llama-8", "model.experimental.hf=true"]), Config)
    flags = cfg.model.experimental
    assert (flags.split_classifiers, flags.audio_embedding_sums) == (False, False)


def test_two_names_that_disagree_are_refused() -> None:
    overrides = ["hyperparameters.scheduler_type=WarmupLR", "hyperparameters.scheduler=WarmupDecayLR"]
    with pytest.raises(ConfigError, match="scheduler_type=WarmupLR contradicts scheduler=WarmupDecayLR"):
        seal(compose_config("train", overrides), Config)


def test_d_adaptation_takes_the_place_of_a_schedule_free_optimizer() -> None:
    cfg = Config()
    cfg.hyperparameters.scheduler, cfg.optimizations.dadaptation = "schedulefree", True
    assert any("dadaptation=true" in note for note in derive(cfg)) and cfg.hyperparameters.scheduler == ""


@pytest.mark.parametrize("optimizer", ["muon", "prodigy", "adamw"])
def test_deepspeeds_schedules_are_left_to_optimizers_of_one_learning_rate(optimizer: str) -> None:
    cfg = Config(trainer=TrainerConfig(backend=Backend.deepspeed))
    cfg.hyperparameters.scheduler, cfg.hyperparameters.optimizer = "WarmupLR", optimizer
    assert bool(derive(cfg)) == cfg.hyperparameters.torch_scheduler == (optimizer != "adamw")


def test_several_ranks_average_their_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    cfg = Config()
    assert derive(cfg) == ["trainer.ddp=true, as the run has 4 ranks"] and cfg.trainer.ddp
    assert seal(compose_config("train", []), Config).trainer.ddp


@pytest.mark.parametrize(
    ("dtype", "apex", "ours"), [(WeightDtype.float16, False, True), (WeightDtype.bfloat16, True, False)]
)
def test_one_kind_of_mixed_precision_is_left_under_deepspeed(dtype: WeightDtype, apex: bool, ours: bool) -> None:
    cfg = Config(trainer=TrainerConfig(backend=Backend.deepspeed, weight_dtype=dtype, amp=True))
    cfg.trainer.deepspeed.amp = True
    assert derive(cfg)
    assert (cfg.trainer.deepspeed.amp, cfg.trainer.amp) == (apex, ours)


def test_checkpoints_come_with_evaluations_where_no_frequency_is_given() -> None:
    cfg = seal(compose_config("train", ["trainer.save_frequency=0", "evaluation.frequency=70"]), Config)
    assert cfg.trainer.save_frequency == 70
