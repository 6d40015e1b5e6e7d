"""A codec's training from beginning to end, and however often it is stopped."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.child import ended, forked, interrupted
from tests.codec_training.conftest import SMALL_ADVERSARY, Settings
from vall_e.audio.builtin.codec import BuiltinCodec
from vall_e.audio.builtin.weights import load_codec
from vall_e.codec_training import loop
from vall_e.codec_training.checkpoint import start_from
from vall_e.codec_training.loop import train_codec
from vall_e.codec_training.run import CodecRun, codec_shape, fresh_engine
from vall_e.config.codec_augmentation import AugmentationConfig
from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.errors import AudioError, CheckpointError, ConfigError

TIMES = {"time", "seconds", "step_seconds", "data_wait", "audio_per_second", "memory_gib", "remaining_hours"}


def rows(folder: Path) -> list[dict[str, Any]]:
    """What was logged, without what depends on the machine."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIMES} for line in lines]


def states(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / "ckpt" / str(step) / "states.safetensors")


def assert_same(one: Path, other: Path, step: int) -> None:
    """Numbers of every step, and all that a run would go on from, to the last bit."""
    assert rows(one) == rows(other)
    first, second = states(one, step), states(other, step)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert (one / "codec.safetensors").read_bytes() == (other / "codec.safetensors").read_bytes()


def test_a_run_leaves_a_codec_that_opens_with_numbers_and_samples(settings: Settings, tmp_path: Path) -> None:
    train_codec(settings(evaluation_frequency=2, adversary=SMALL_ADVERSARY), tmp_path / "run")
    codec = BuiltinCodec(tmp_path / "run/codec.safetensors", torch.device("cpu"))
    assert codec.decode(codec.encode(torch.zeros(3_200))).isfinite().all()
    assert (tmp_path / "run/metrics.png").stat().st_size > 1000
    for name in ("0.original.wav", "0.coded.wav", "index.html"):
        assert (tmp_path / "run/samples/4" / name).is_file()
    logged = {name for row in rows(tmp_path / "run") for name in row}
    assert {"loss", "linear_stft", "commitment", "held_out.loss", "adversarial", "score.real"} <= logged


def test_the_loss_falls_within_thirty_steps(settings: Settings, tmp_path: Path) -> None:
    cfg = settings(steps=30, learning_rate=1e-2, holdout=["b", "c"], batch_size=4, save_frequency=100)
    train_codec(replace(cfg, augmentation=AugmentationConfig(noise=0, reverberation=0, band_limit=0)), tmp_path / "run")
    losses = [row["loss"] for row in rows(tmp_path / "run") if "loss" in row]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


def test_a_resumed_run_is_the_run_that_was_not_stopped(settings: Settings, tmp_path: Path) -> None:
    cfg = settings(adversary=SMALL_ADVERSARY, steps=6, scheduler="", evaluation_frequency=2)
    train_codec(cfg, tmp_path / "whole")
    train_codec(replace(cfg, steps=4, evaluation_frequency=0), tmp_path / "parts")
    train_codec(cfg, tmp_path / "parts")
    whole = [row for row in rows(tmp_path / "whole") if "loss" in row]
    assert [row for row in rows(tmp_path / "parts") if "loss" in row] == whole
    first, second = states(tmp_path / "whole", 6), states(tmp_path / "parts", 6)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_run_killed_again_and_again_is_the_run_that_was_not(settings: Settings, tmp_path: Path) -> None:
    cfg, draw = settings(adversary=SMALL_ADVERSARY, steps=12, save_frequency=1), random.Random(0)
    train_codec(cfg, tmp_path / "whole")
    killed = [_killed(cfg, tmp_path / "killed", draw) for _ in range(5)]
    train_codec(cfg, tmp_path / "killed")
    assert sum(killed) >= 3
    assert_same(tmp_path / "whole", tmp_path / "killed", 12)


def _killed(cfg: CodecTrainingConfig, folder: Path, draw: random.Random) -> bool:
    """Go on in a process that is killed after its next save; whether it was before its end."""
    latest, then = folder / "ckpt" / "latest", draw.uniform(0, 0.03)
    before = latest.stat().st_mtime_ns if latest.is_file() else 0

    def wait() -> None:
        while not (latest.is_file() and latest.stat().st_mtime_ns != before):
            time.sleep(0.001)
        time.sleep(then)

    return ended(forked(lambda: interrupted(lambda: train_codec(cfg, folder), signal.SIGKILL, wait))) != 0


def test_a_run_told_to_quit_saves_and_the_same_command_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = settings(steps=6, save_frequency=100)
    train_codec(cfg, tmp_path / "whole")
    make_step = loop.make_step

    def signalled(run: CodecRun) -> dict[str, float]:
        signal.raise_signal(signal.SIGTERM)
        return make_step(run)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_step", signalled)
        train_codec(cfg, tmp_path / "parts")
    assert len(rows(tmp_path / "parts")) == 1
    train_codec(cfg, tmp_path / "parts")
    assert_same(tmp_path / "whole", tmp_path / "parts", 6)


def test_a_run_begins_with_a_codec(settings: Settings, tmp_path: Path) -> None:
    train_codec(settings(), tmp_path / "first")
    trained = tmp_path / "first/codec.safetensors"
    cfg = settings(weights=str(trained), shape={}, steps=1, learning_rate=1e-9, ema_decay=0.0)
    train_codec(cfg, tmp_path / "second")
    before, after = load_codec(trained), load_codec(tmp_path / "second/codec.safetensors")
    for name, parameter in before.named_parameters():
        torch.testing.assert_close(after.get_parameter(name), parameter, atol=1e-6, rtol=1e-3)
    moved = (after.quantizer.books()[0].vectors - before.quantizer.books()[0].vectors).abs().mean()
    assert float(moved) < 0.1 * float(before.quantizer.books()[0].vectors.abs().mean())


def test_discriminators_can_come_to_a_run_that_had_none(settings: Settings, tmp_path: Path) -> None:
    train_codec(settings(), tmp_path / "run")
    train_codec(settings(steps=6, adversary=SMALL_ADVERSARY), tmp_path / "run")
    assert "adversarial" in rows(tmp_path / "run")[-1]


def test_a_checkpoint_of_other_sizes_is_refused_with_advice(settings: Settings, tmp_path: Path) -> None:
    cfg = settings()
    train_codec(cfg, tmp_path / "run")
    with pytest.raises(CheckpointError, match="out=PATH"):
        train_codec(replace(cfg, steps=8, shape=cfg.shape | {"latent": 4}), tmp_path / "run")
    with pytest.raises(CheckpointError, match="SGD"):
        train_codec(replace(cfg, steps=8, optimizer="sgd"), tmp_path / "run")


def test_a_checkpoint_from_before_expansion_is_resumed(settings: Settings, tmp_path: Path) -> None:
    cfg = settings(shape=settings().shape | {"expansion": 3})
    train_codec(cfg, tmp_path / "run")
    counters = tmp_path / "run" / "ckpt" / "4" / "states.json"
    told = json.loads(counters.read_text())
    del told["shape"]["expansion"]
    counters.write_text(json.dumps(told))
    manifest = counters.with_name("manifest.json")
    digest = hashlib.sha256(counters.read_bytes()).hexdigest()
    whole = json.loads(manifest.read_text()) | {"states.json": {"bytes": counters.stat().st_size, "sha256": digest}}
    manifest.write_text(json.dumps(whole))
    train_codec(replace(cfg, steps=6), tmp_path / "run")
    assert rows(tmp_path / "run")[-1]["step"] == 6


def test_weights_that_are_not_there_are_named_by_their_setting(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"weights=gone: no such file"):
        train_codec(settings(weights="gone"), tmp_path / "run")


def test_a_run_goes_on_when_the_codec_it_began_with_is_gone(settings: Settings, tmp_path: Path) -> None:
    train_codec(settings(steps=1, shape=settings().shape | {"expansion": 2}), tmp_path / "first")
    weights = tmp_path / "first" / "codec.safetensors"
    cfg = settings(weights=str(weights), shape={"expansion": 3})
    train_codec(cfg, tmp_path / "second")
    weights.unlink()
    train_codec(replace(cfg, steps=6), tmp_path / "second")
    assert rows(tmp_path / "second")[-1]["step"] == 6


def test_a_size_that_the_codec_has_not_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shape\.decoder_with.*nearest: .*decoder_width"):
        train_codec(settings(shape={"decoder_with": 3}), tmp_path / "run")


def test_rounds_of_refinement_may_change_from_one_training_to_the_next(settings: Settings, tmp_path: Path) -> None:
    cfg = settings(shape=settings().shape | {"refinements": 0}, steps=1)
    train_codec(cfg, tmp_path / "first")
    weights = tmp_path / "first" / "codec.safetensors"
    train_codec(replace(cfg, weights=str(weights), shape={"refinements": 1}), tmp_path / "second")
    assert load_codec(tmp_path / "second" / "codec.safetensors").shape.refinements == 1
    with pytest.raises(ConfigError, match=r"shape\.latent=0 is too small"):
        train_codec(settings(shape={"latent": 0}), tmp_path / "third")


def test_blocks_may_expand_more_in_the_next_training(settings: Settings, tmp_path: Path) -> None:
    cfg = settings(steps=1)
    train_codec(cfg, tmp_path / "first")
    weights = tmp_path / "first" / "codec.safetensors"
    narrow = load_codec(weights)
    more = narrow.shape.expansion + 1
    cfg = replace(cfg, weights=str(weights), shape={"expansion": more})
    engine = fresh_engine(cfg, codec_shape(cfg, weights))
    start_from(engine, weights)
    wave = torch.randn(1, 9_600, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(engine.codec.latents(wave), narrow.latents(wave))
    codes = narrow.encode(wave)
    torch.testing.assert_close(engine.codec.decode(codes), narrow.decode(codes))
    train_codec(cfg, tmp_path / "second")
    assert load_codec(tmp_path / "second" / "codec.safetensors").shape.expansion == more
    with pytest.raises(ConfigError, match=r"shape\.expansion=\d contradicts"):
        train_codec(replace(cfg, shape={"expansion": narrow.shape.expansion - 1}), tmp_path / "third")


def test_half_precision_trains_too(settings: Settings, tmp_path: Path) -> None:
    train_codec(settings(amp=True, adversary=SMALL_ADVERSARY), tmp_path / "run")
    assert all(row["grad_norm"] < 1e4 for row in rows(tmp_path / "run") if "loss" in row)
    assert all(tensor.dtype != torch.bfloat16 for tensor in states(tmp_path / "run", 4).values())
