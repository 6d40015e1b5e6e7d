"""DeepSpeed in one process: its engine obeys the settings that the local one obeys, and goes on exactly."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from tests.engines.trajectory import opened, settings, trained
from tests.small_run import changed
from vall_e.config.optimizations import OptimizationsConfig
from vall_e.config.schema import Config
from vall_e.config.trainer import Backend, WeightDtype
from vall_e.engines.deepspeed import DeepSpeedEngine
from vall_e.engines.ranks import ALONE
from vall_e.errors import VallEError

pytest.importorskip("deepspeed")
os.environ.setdefault("DS_ACCELERATOR", "cpu")


def plain(speech: Path, stage: int = 0, **changes: Any) -> Config:
    return changed(settings(speech, f"zero{stage}", 1, 1), **changes)


@pytest.mark.parametrize(
    ("optimizer", "rate", "params", "optimizations"),
    [
        ("muon", 0.02, {}, OptimizationsConfig()),
        ("prodigy", 0.5, {"d0": 1e-2}, OptimizationsConfig()),
        ("adamw", 3e-3, {"d0": 1e-3}, OptimizationsConfig(dadaptation=True)),
    ],
    ids=["muon", "prodigy", "dadaptation"],
)
def test_optimizers_with_rates_of_their_own_make_the_steps_of_the_local_engine(
    speech: Path, optimizer: str, rate: float, params: dict[str, float], optimizations: OptimizationsConfig
) -> None:
    told: dict[str, Any] = {"optimizer": optimizer, "learning_rate": rate, "optimizer_params": params}
    cfg = replace(plain(speech, **told), optimizations=optimizations)
    found, expected = (trained(*opened(one, ALONE), 4) for one in (cfg, changed(cfg, backend=Backend.local)))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_an_optimizer_that_deepspeed_builds_decays_weights_as_told(speech: Path) -> None:
    weights = []
    for decay in (0.0, 0.5):
        told: dict[str, Any] = {
            "optimizer": "sgd",
            "optimizer_params": {"weight_decay": decay},
            "torch_optimizer": False,
        }
        engine, loader = opened(plain(speech, **told, learning_rate=0.1, warmup_steps=0), ALONE)
        trained(engine, loader, 1)
        weights.append(engine.weights())
    free, decayed = (found["model.layers.0.mlp.up_proj.weight"].norm() for found in weights)
    assert float(decayed / free) == pytest.approx(1 - 0.1 * 0.5, abs=1e-2)
    assert torch.equal(*(found["text_emb.weight"] for found in weights)), "embeddings do not decay"


@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("scheduler", ["WarmupLR", "WarmupCosineLR", "OneCycle"])
def test_a_schedule_of_deepspeeds_goes_on_exactly(
    speech: Path, tmp_path: Path, scheduler: str, stage: int, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"cycle_min_lr": 1e-4, "cycle_max_lr": 3e-3, "cycle_first_step_size": 4}
    params = own if scheduler == "OneCycle" else {}
    cfg = plain(
        speech,
        stage,
        scheduler=scheduler,
        scheduler_params=params,
        torch_scheduler=False,
        warmup_steps=10,
        iterations=9,
    )
    whole = trained(*opened(cfg, ALONE), 6)
    first, loader = opened(cfg, ALONE)
    trained(first, loader, 3)
    folder = first.write(first.snapshot({"loader": loader.state_dict()}), tmp_path, "3")
    with caplog.at_level(logging.WARNING):
        assert trained(*opened(cfg, ALONE, folder), 3) == whole[3:]
    assert "The learning rate stays" not in caplog.text, "nobody asked for another"


def test_the_rate_told_is_that_of_the_step_not_of_the_next(speech: Path) -> None:
    cfg = plain(speech, scheduler="WarmupLR", torch_scheduler=False, warmup_steps=2, learning_rate=1.0)
    engine, loader = opened(cfg, ALONE)
    assert isinstance(engine, DeepSpeedEngine)
    engine.follow_schedule(1.0)
    for _ in range(4):
        before = float(engine.deepspeed.optimizer.param_groups[0]["lr"])
        assert engine.step([next(loader)])["lr"] == before


@pytest.fixture
def float16_here() -> Iterator[None]:
    """DeepSpeed has float16 for CPUs that multiply in it; the others do so slowly."""
    from deepspeed.accelerator import get_accelerator

    accelerator = get_accelerator()
    asked, accelerator.is_fp16_supported = accelerator.is_fp16_supported, lambda: True
    yield
    accelerator.is_fp16_supported = asked


def half(speech: Path, **told: Any) -> Config:
    cfg = plain(speech, 1, weight_dtype=WeightDtype.float16)
    cfg.trainer.deepspeed.config = {
        "fp16": {"enabled": True, "auto_cast": True, "loss_scale": 0.0, "min_loss_scale": 8192, **told}
    }
    return cfg


def test_the_loss_scale_goes_on_to_grow_where_it_was(speech: Path, tmp_path: Path, float16_here: None) -> None:
    cfg = half(speech, initial_scale_power=10, loss_scale_window=3)
    first, loader = opened(cfg, ALONE)
    trained(first, loader, 5)
    folder = first.write(first.snapshot({"loader": loader.state_dict()}), tmp_path, "5")
    second, again = opened(cfg, ALONE, folder)
    assert trained(first, loader, 2) == trained(second, again, 2)
    scales = [one.snapshot({}).counters["loss_scale"] for one in (first, second)]
    assert scales[0] == scales[1] and scales[0]["cur_scale"] == 2**12, "doubled after 3 steps and after 6"


def test_gradients_that_overflow_at_the_smallest_loss_scale_end_the_run(speech: Path, float16_here: None) -> None:
    engine, loader = opened(half(speech, initial_scale_power=13, hysteresis=1), ALONE)
    engine.step([next(loader)])
    engine.model.sep.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(VallEError, match=r"trainer\.deepspeed\.min_loss_scale=8192: lower it"):
        for _ in range(20):
            engine.step([next(loader)])


def test_the_size_of_a_model_is_told_wherever_it_lies(speech: Path) -> None:
    engine, loader = opened(plain(speech, 3, frozen_params=["sep"]), ALONE)
    before = engine.parameter_counts()
    trained(engine, loader, 1)
    assert engine.parameter_counts() == before and before[0] - before[1] == 32


def test_mlps_are_compiled_as_told(speech: Path) -> None:
    compiled = replace(plain(speech), optimizations=OptimizationsConfig(compile="eager"))
    torch._dynamo.reset()
    counters.clear()
    assert trained(*opened(compiled, ALONE), 1) == trained(*opened(plain(speech), ALONE), 1)
    assert counters["frames"]["ok"] == 1
