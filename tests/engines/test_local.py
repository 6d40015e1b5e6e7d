"""Optimizer steps on one device."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.small_run import batches, changed, engine, small
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.trainer import CollectGarbage, WeightDtype
from vall_e.engines import descent
from vall_e.engines import engine as engine_module
from vall_e.engines.local import LocalEngine
from vall_e.engines.micro_batch import draw_micro_batch
from vall_e.errors import CheckpointError, VallEError
from vall_e.models.weights.weights_file import load_weights

CALM: dict[str, Any] = {
    "dropout": 0.0,
    "model__experimental": ModelExperimentalConfig(layerskip_p_max=0.0, rvq_levels_p=[0]),
}


def parameters(one: LocalEngine) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in one.model.named_parameters()}


def change(before: dict[str, Tensor], after: dict[str, Tensor]) -> Tensor:
    return torch.cat([(after[name] - value).flatten() for name, value in before.items()])


def test_accumulated_batches_give_the_mean_of_their_gradients(speech: Path) -> None:
    cfg = small(speech, **CALM, optimizer="sgd", learning_rate=1.0, gradient_clipping=0.0)
    pair = batches(cfg, 2)
    both = engine(cfg)
    start = parameters(both)
    stats = both.step(pair)
    alone = [engine(cfg) for _ in pair]
    apart = [one.step([batch]) for one, batch in zip(alone, pair, strict=True)]
    steps = [change(start, parameters(one)) for one in alone]
    assert torch.allclose(change(start, parameters(both)), sum(steps) / 2, atol=1e-5)
    assert stats["loss"] == pytest.approx(sum(one["loss"] for one in apart) / 2)
    assert (both.global_step, both.samples) == (1, 4)
    assert both.tokens == sum(one.tokens for one in alone)


def test_the_norm_told_is_that_before_clipping(speech: Path) -> None:
    settings: dict[str, Any] = CALM | {
        "optimizer": "sgd",
        "learning_rate": 1.0,
        "optimizer_params": {"weight_decay": 0},
    }
    free, clipped = (engine(small(speech, **settings, gradient_clipping=limit)) for limit in (0.0, 0.01))
    start, batch = parameters(free), batches(free.cfg, 1)
    norms = [one.step(batch)["grad_norm"] for one in (free, clipped)]
    assert norms[0] == norms[1] > 0.01
    assert float(change(start, parameters(free)).norm()) == pytest.approx(norms[0], rel=1e-3)
    assert float(change(start, parameters(clipped)).norm()) == pytest.approx(0.01, rel=1e-2)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "prodigy", "learning_rate": 1.0},
        {"amp": True, "weight_dtype": WeightDtype.bfloat16},
        {"gradient_checkpointing": True},
    ],
    ids=["adamw", "prodigy", "bfloat16", "checkpointed"],
)
def test_one_batch_can_be_learnt_by_heart(speech: Path, settings: dict[str, Any]) -> None:
    one = engine(small(speech, **CALM | settings))
    batch = batches(one.cfg, 1)
    losses = [one.step(batch)["loss"] for _ in range(60 if "optimizer" in settings else 30)]
    assert losses[-1] < losses[0] - 1
    assert all(value.dtype is torch.float32 for value in one.model.state_dict().values())


def test_recomputed_activations_change_no_gradient(speech: Path) -> None:
    settings = {"dropout": 0.1, "optimizer": "sgd", "gradient_clipping": 0.0}
    plain, recomputed = (engine(small(speech, **settings, gradient_checkpointing=on)) for on in (False, True))
    batch = batches(plain.cfg, 1)
    for one in (plain, recomputed):
        torch.manual_seed(5)
        one.step([*batch])
    assert float(change(parameters(plain), parameters(recomputed)).abs().max()) < 1e-6


def test_a_step_without_a_finite_gradient_is_skipped_and_too_many_end_the_run(
    speech: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(descent, "NONFINITE_LIMIT", 3)
    one = engine(small(speech, **CALM))
    batch = batches(one.cfg, 1)
    spoilt = one.model.sep.register_hook(lambda gradient: gradient * float("nan"))
    before = parameters(one)
    with caplog.at_level(logging.WARNING):
        stats = one.step(batch)
    assert math.isnan(stats["grad_norm"]) and "Step 1 has a gradient of norm nan and is skipped" in caplog.text
    assert not change(before, parameters(one)).any() and one.global_step == 1
    one.step(batch)
    spoilt.remove()
    one.step(batch)
    assert one.nonfinite == 0 and change(before, parameters(one)).any(), "a finite step starts the count anew"
    one.model.sep.register_hook(lambda gradient: gradient * float("inf"))
    one.step(batch)
    one.step(batch)
    with pytest.raises(VallEError, match="3 steps in a row had a non-finite gradient: lower the learning rate"):
        one.step(batch)


def test_float16_skips_a_step_whose_norm_overflows_though_no_gradient_does(speech: Path) -> None:
    one = engine(small(speech, **CALM, amp=True, weight_dtype=WeightDtype.float16, ema_decay=0.5))
    batch = batches(one.cfg, 1)
    assert math.isfinite(one.step(batch)["grad_norm"])
    before, scale = parameters(one), one.scaler.get_scale()
    one.model.sep.register_hook(lambda gradient: torch.full_like(gradient, 1e25))
    assert one.step(batch)["grad_norm"] == math.inf and one.scaler.get_scale() == scale
    assert not change(before, parameters(one)).any()


@pytest.mark.parametrize(("optimizer", "told"), [("adamw", 0.25), ("prodigy", 1e-6)])
def test_a_learning_rate_can_be_set_while_it_runs(speech: Path, optimizer: str, told: float) -> None:
    one = engine(small(speech, optimizer=optimizer))
    one.set_learning_rate(0.25)
    assert one.learning_rate == 0.25
    assert one.step(batches(one.cfg, 1))["lr"] <= told
    if optimizer == "prodigy":
        assert {group["d_coef"] for group in one.optimizer.param_groups} == {0.25}
        assert {group["lr"] for group in one.optimizer.param_groups} == {1.0}


def test_the_rate_told_is_the_one_the_schedule_wants(speech: Path) -> None:
    one = engine(small(speech, learning_rate=1.0, warmup_steps=2, scheduler="WarmupDecayLR"))
    batch = batches(one.cfg, 1)
    assert [one.step(batch)["lr"] for _ in range(6)] == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_frozen_parameters_stay(speech: Path) -> None:
    one = engine(small(speech, frozen_params=["sep", "text_emb.weight"]))
    before = parameters(one)
    one.step(batches(one.cfg, 1))
    same = {name for name, value in parameters(one).items() if torch.equal(value, before[name])}
    assert {"sep", "text_emb.weight"} <= same and "model.norm.weight" not in same


def test_the_exported_file_gives_the_same_logits(speech: Path, tmp_path: Path) -> None:
    one = engine(small(speech))
    batch = batches(one.cfg, 1)
    one.step(batch)
    one.write_weights(tmp_path / "new/fp32.safetensors", one.model.state_dict(), one.global_step)
    loaded = load_weights(tmp_path / "new/fp32.safetensors", torch.device("cpu"))
    inputs = draw_micro_batch(one.cfg.model, batch[0], 1.0, (0,)).inputs
    one.model.eval()
    with torch.no_grad():
        ours, theirs = (model.hidden(model.pack(inputs)) for model in (one.model, loaded.model))
        head = one.model.tables[0]
        assert torch.equal(one.model.logits(head, ours), loaded.model.logits(head, theirs))
    assert loaded.step == 1 and loaded.codec == one.codec
    assert loaded.tokenizer.vocabulary == one.tokenizer.vocabulary


def test_a_checkpoint_restores_everything(speech: Path, tmp_path: Path) -> None:
    cfg = small(speech, amp=True, weight_dtype=WeightDtype.bfloat16, optimizer="prodigy")
    first, pair = engine(cfg), batches(cfg, 2)
    first.step(pair)
    folder = first.write(first.snapshot({"loader": {"epoch": 3}}), tmp_path, "1")
    second = engine(cfg)
    assert second.load(folder) == {"loader": {"epoch": 3}}
    assert (second.global_step, second.samples, second.tokens) == (1, 4, first.tokens)
    again = [{k: v for k, v in one.step(pair).items() if k != "tokens_per_second"} for one in (second,)]
    torch.manual_seed(1)
    third = engine(cfg)
    third.load(folder)
    assert {k: v for k, v in third.step(pair).items() if k != "tokens_per_second"} == again[0]
    assert not change(parameters(second), parameters(third)).any()


def test_the_state_of_parameters_of_other_sizes_is_refused_or_left_out(speech: Path, tmp_path: Path) -> None:
    first = engine(small(speech, text_tokens=300))
    first.step(batches(first.cfg, 1))
    folder = first.write(first.snapshot({}), tmp_path, "1")
    cfg = small(speech, text_tokens=310, resize_modules=True, ema_decay=0.5)
    with pytest.raises(CheckpointError, match=r"changed the size of .*text_emb\.weight.*: trainer\.load_states=false"):
        engine(cfg).load(folder)
    second = engine(changed(cfg, load_states=False))
    second.load(folder)
    assert second.global_step == 1 and math.isfinite(second.step(batches(cfg, 1))["loss"])


@pytest.mark.parametrize(("mode", "collected"), [(None, 0), (CollectGarbage.step, 1), (CollectGarbage.substep, 2)])
def test_garbage_is_collected_when_it_is_wanted(
    speech: Path, mode: CollectGarbage | None, collected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = small(speech, gc_mode=mode)
    pair, one, seen = batches(cfg, 2), engine(cfg), []
    monkeypatch.setattr(engine_module.gc, "collect", lambda: seen.append(1))
    one.step(pair)
    assert len(seen) == collected
