"""Mixing, to the number: a codec whose codes are the level of the wave."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vall_e.audio.codec import CodecIdentity
from vall_e.config.dataset import DatasetConfig
from vall_e.data.dataset import SpeechDataset
from vall_e.data.sample import Sample
from vall_e.data.tasks.mixing import Mixer, repeated
from vall_e.data.tasks.silence import ENCODEC
from vall_e.data.utterance import Codes
from vall_e.errors import DataError
from vall_e.text import NaiveTokenizer

from .tones import FRAME_RATE, IDENTITY, LEVELS, SAMPLE_RATE, WriteStore, utterance

HOP = int(SAMPLE_RATE / FRAME_RATE)


class LevelCodec:
    """Every level of a frame's code is a thousand times the mean of its wave."""

    def __init__(self, name: str = IDENTITY.name) -> None:
        self.identity: CodecIdentity = replace(IDENTITY, name=name)

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        means = wave[: len(wave) // HOP * HOP].reshape(-1, HOP).mean(1)
        return (1000 * means).round().to(torch.int16)[:, None].repeat(1, LEVELS)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes[:, 0].float() / 1000).repeat_interleave(HOP)


def level(value: int, frames: int) -> Codes:
    return np.full((frames, LEVELS), value, np.int16)


def test_a_mixture_is_the_mean_of_waves_by_their_gains_as_long_as_the_longest():
    mixed = Mixer(LevelCodec).mix([(level(400, 3), 1.0), (level(200, 5), 0.25)])
    assert mixed[:, 0].tolist() == [225, 225, 225, 25, 25]
    assert mixed.dtype == np.int16 and mixed.shape == (5, LEVELS)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 9)), min_size=1, max_size=4))
def test_joined_waves_stand_one_after_another(parts: list[tuple[int, int]]):
    codes = [level(value, frames) for value, frames in parts]
    np.testing.assert_array_equal(Mixer(LevelCodec).join(codes), np.concatenate(codes))


@given(st.integers(1, 7), st.integers(1, 30))
def test_repeated_codes_last_as_long_as_asked(frames: int, wanted: int):
    codes = np.arange(frames * LEVELS, dtype=np.int16).reshape(frames, LEVELS)
    found = repeated(codes, wanted)
    assert len(found) == wanted
    assert all(np.array_equal(found[i], codes[i % frames]) for i in range(wanted))


def test_silence_is_what_published_weights_know_or_what_the_codec_says():
    assert Mixer(lambda: LevelCodec("encodec")).silence(2).tolist() == [list(ENCODEC[:LEVELS])] * 2
    assert not Mixer(LevelCodec).silence(3).any()
    assert Mixer(LevelCodec).silence(0).shape == (0, LEVELS)


def test_mixing_leaves_torchs_threads_as_they_were():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        Mixer(LevelCodec).join([level(1, 2), level(2, 2)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_mixer_goes_to_another_process_without_its_codec():
    mixer = Mixer(LevelCodec)
    mixer.join([level(1, 2)])
    again = pickle.loads(pickle.dumps(mixer))
    np.testing.assert_array_equal(again.join([level(7, 2)]), level(7, 2))


def test_without_a_codec_nothing_is_mixed():
    with pytest.raises(DataError, match="no codec was given to the dataset"):
        Mixer(None).join([level(1, 2)])


@pytest.fixture
def store(write_store: WriteStore) -> Path:
    """Speech at a level of 400 (60 frames) and, of another speaker, 800 (80 frames); noise at 100 (25 frames)."""
    speech = [replace(utterance(i, 60), codes=level(400, 60)) for i in range(4)]
    stranger = [replace(utterance(i, 80, "g/b"), codes=level(800, 80)) for i in range(4)]
    return write_store(*speech, *stranger, replace(utterance(9, 25, "n/x", "noise"), codes=level(100, 25)))


def drawn(store: Path, task: str, index: int = 0, epoch: int = 0, **settings: Any) -> Sample:
    cfg = DatasetConfig(**({"tasks_list": [task], "prompt_duration_range": [0.5, 0.5]} | settings))
    dataset = SpeechDataset(store, cfg, NaiveTokenizer(), "training", FRAME_RATE, 0, open_codec=LevelCodec)
    return dataset.sample(index, epoch)


def levels(prompt: Any) -> list[Any]:
    """Pieces of a prompt as names, and as (level, frames) of codes that are level throughout."""
    found = []
    for piece in prompt:
        if not isinstance(piece, str):
            assert (piece == piece[0, 0]).all()
        found.append(piece if isinstance(piece, str) else (int(piece[0, 0]), len(piece)))
    return found


@pytest.mark.parametrize(("scale", "noisy"), [(0.25, 212), (1.0, 250), (0.0, 200)])
def test_noise_is_repeated_and_mixed_in_at_its_scale(store: Path, scale: float, noisy: int):
    settings = {"noise_scale": scale}
    for task, response in (("ns", (400, 60)), ("sr", (100, 60))):
        sample = drawn(store, task, **settings)
        assert levels(sample.prompt) == [task, (noisy, 60)]
        assert levels([sample.response]) == [response]
    assert levels([drawn(store, "tts", prompt_inject_noise=True, **settings).prompt]) == [(noisy, 25)]
    edited = drawn(store, "nse", **settings)
    assert {piece for piece in levels(edited.prompt) if not isinstance(piece, str)} == {(noisy, 60)}
    assert levels([edited.response])[0][0] == noisy


def test_another_voice_is_mixed_in_at_a_gain_within_its_range(store: Path):
    found = set()
    for epoch in range(30):
        prompt, name, overlapped = drawn(store, "tse", 4, epoch).prompt
        assert levels([prompt, name]) == [(800, 25), "tse"]
        assert len(overlapped) == 80
        assert set(overlapped[60:, 0].tolist()) == {400}
        found.add(int(overlapped[0, 0]))
    assert min(found) >= 500 and max(found) <= 550
    assert max(found) - min(found) > 35
    assert len(drawn(store, "tse", 0).prompt[2]) == 80


@pytest.mark.parametrize("task", ["ns", "sr", "tse"])
def test_the_text_is_shown_half_of_the_time(store: Path, task: str):
    shown = [len(drawn(store, task, 0, epoch).tokens) > 2 for epoch in range(150)]
    assert sum(shown) / 150 == pytest.approx(0.5, abs=0.14)
    assert drawn(store, task).text == "a b"
