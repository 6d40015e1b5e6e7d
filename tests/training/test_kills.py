"""However often and wherever a run is killed, it ends as the run that was not. VALL_E_KILLS=50 kills more often."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.child import ended, forked, interrupted
from tests.small_run import checkpoints, losses, small
from vall_e.config.schema import Config
from vall_e.training.loop import train

KILLS = int(os.environ.get("VALL_E_KILLS", "12"))
STEPS = 60 if KILLS > 20 else KILLS + 8


def settings(speech: Path) -> Config:
    return small(
        speech,
        iterations=STEPS,
        save_frequency=1,
        keep_last_checkpoints=2,
        dropout=0.1,
        gradient_accumulation_steps=2,
        warmup_steps=5,
        scheduler="WarmupCosineLR",
        ema_decay=0.9,
    )


def newest(folder: Path) -> int:
    """When the newest checkpoint was completed."""
    latest = checkpoints(folder) / "latest"
    return latest.stat().st_mtime_ns if latest.is_file() else 0


def killed_amid(cfg: Config, folder: Path, draw: random.Random) -> bool:
    """Go on in a process that is killed while it starts, or after a save, in a step or the next save.

    Whether it was before its end.
    """
    before, waits_for_save = newest(folder), draw.random() < 0.5
    first, then = 0 if waits_for_save else draw.uniform(0, 0.3), draw.uniform(0, 0.02)

    def wait() -> None:
        time.sleep(first)
        while waits_for_save and newest(folder) == before:
            time.sleep(0.001)
        time.sleep(then)

    number = draw.choice([signal.SIGKILL] * 4 + [signal.SIGTERM])
    return ended(forked(lambda: interrupted(lambda: train(cfg, folder), number, wait))) != 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_run_killed_again_and_again_is_the_run_that_was_not(speech: Path, tmp_path: Path) -> None:
    cfg, draw = settings(speech), random.Random(0)
    torch.set_num_threads(1)
    train(cfg, tmp_path / "whole")
    killed = [killed_amid(cfg, tmp_path / "killed", draw) for _ in range(KILLS)]
    train(cfg, tmp_path / "killed")
    assert sum(killed) > KILLS / 2
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    whole, again = (
        load_file(checkpoints(tmp_path / name) / f"{STEPS}/weights.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())
    whole, again = (load_file(checkpoints(tmp_path / name) / "fp32.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items()), "the moving average, too"
