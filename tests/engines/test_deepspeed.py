"""DeepSpeed in one process: its engine obeys the settings that the local one obeys, and goes on exactly."""

from __future__ import annotations

import logging
import os
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
from vall_e.config.trainer import Backend
from vall_e.engines.deepspeed import DeepSpeedEngine
from vall_e.engines.ranks import ALONE

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


def test_mlps_are_compiled_as_told(speech: Path) -> None:
    compiled = replace(plain(speech), optimizations=OptimizationsConfig(compile="eager"))
    torch._dynamo.reset()
    counters.clear()
    assert trained(*opened(compiled, ALONE), 1) == trained(*opened(plain(speech), ALONE), 1)
    assert counters["frames"]["ok"] == 1
