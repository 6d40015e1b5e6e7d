"""Training the built-in codec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vall_e.audio.builtin import training
from vall_e.audio.builtin.codec import BuiltinCodec
from vall_e.audio.builtin.training import kept_levels, learning_rate, train_codec
from vall_e.audio.read import write_wav
from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.errors import AudioError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for speaker, seconds in (("a", 1.0), ("b", 0.1)):
        noise = rng.uniform(-0.3, 0.3, int(24_000 * seconds)).astype(np.float32)
        write_wav(tmp_path / "corpus" / speaker / "noise.wav", noise, 24_000)
    return tmp_path / "corpus"


def config(corpus: Path) -> CodecTrainingConfig:
    return CodecTrainingConfig(
        audio=str(corpus), steps=3, batch_size=2, clip_seconds=0.2, save_frequency=2, out=str(corpus.parent / "out")
    )


def test_three_steps_write_a_codec_that_opens(corpus: Path) -> None:
    path = train_codec(config(corpus))
    codec = BuiltinCodec(path, torch.device("cpu"))
    wave = codec.decode(codec.encode(torch.zeros(3_200)))
    assert wave.shape == (3_200,)
    assert wave.isfinite().all()
    assert [file.name for file in path.parent.iterdir()] == ["codec.safetensors"]


def test_speakers_can_be_held_out(corpus: Path) -> None:
    assert [len(wave) for wave in training.Clips(corpus, [], 4_800, 24_000).waves] == [24_000, 2_400]
    assert [len(wave) for wave in training.Clips(corpus, ["a"], 4_800, 24_000).waves] == [2_400]


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no \.ogg, \.wav or \.flac file"):
        train_codec(config(tmp_path))


def test_clips_are_within_range_and_repeatable(corpus: Path) -> None:
    clips = training.Clips(corpus, [], 4_800, 24_000)
    first, again = (clips.batch(np.random.default_rng(1), 8) for _ in range(2))
    assert first.shape == (8, 4_800)
    assert first.equal(again)
    assert float(first.abs().max()) <= 1


def test_the_learning_rate_rises_and_falls() -> None:
    cfg = replace(CodecTrainingConfig(), steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(step, cfg) for step in range(100)]
    assert rates[:2] == pytest.approx([0.1, 0.2])
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == pytest.approx(1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.02, abs=0.01)


def test_half_a_batch_keeps_all_levels() -> None:
    keep = kept_levels(np.random.default_rng(0), 100, 8)
    assert keep[:50].eq(8).all()
    assert set(keep[50:].tolist()) == set(range(1, 9))
