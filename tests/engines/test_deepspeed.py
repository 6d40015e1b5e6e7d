"""DeepSpeed in one process: its engine obeys the settings that the local one obeys, and goes on exactly."""

from __future__ import annotations

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
from vall_e.engines.ranks import ALONE

pytest.importorskip("deepspeed")
os.environ.setdefault("DS_ACCELERATOR", "cpu")


def plain(speech: Path, stage: int = 0, **changes: Any) -> Config:
    return changed(settings(speech, f"zero{stage}", 1, 1), **changes)


def test_mlps_are_compiled_as_told(speech: Path) -> None:
    compiled = replace(plain(speech), optimizations=OptimizationsConfig(compile="eager"))
    torch._dynamo.reset()
    counters.clear()
    assert trained(*opened(compiled, ALONE), 1) == trained(*opened(plain(speech), ALONE), 1)
    assert counters["frames"]["ok"] == 1
