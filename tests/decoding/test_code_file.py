"""Saying again what a code file of the reference system holds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.tiny import tiny_model
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.codec import CodecIdentity
from vall_e.config.inference import InferenceConfig, SpokenTask
from vall_e.decoding.speaker import Speaker
from vall_e.errors import ConfigError, DataError
from vall_e.models.weights.weights_file import LoadedWeights
from vall_e.text import open_tokenizer

PHONEMES, FRAMES, HOP = "həlˈoʊ", 240, 320
Speak = Callable[..., Speaker]


def code_file(path: Path, levels: int = 8, **metadata: Any) -> Path:
    codes = np.random.default_rng(0).integers(0, 1024, (1, levels, FRAMES), np.uint16)
    with path.open("wb") as file:
        np.save(file, {"codes": codes, "metadata": metadata}, allow_pickle=True)
    return path


@pytest.fixture(scope="module")
def speaker() -> Speak:
    """Speaks codes of a codec that calls itself encodec: what they sound like does not matter."""
    codec = BuiltinCodec(SHIPPED_WEIGHTS, torch.device("cpu"))
    codec.identity = replace(codec.identity, name="encodec")

    def opened(identity: CodecIdentity = codec.identity, capabilities: Any = ("ar", "nar"), **settings: Any) -> Speaker:
        model = tiny_model(capabilities=list(capabilities), name="-".join(capabilities))
        codec.identity = identity
        weights = LoadedWeights(model, model.cfg, open_tokenizer(None, None), identity, 1)
        return Speaker(weights, codec, InferenceConfig(**({"max_duration": 300, "phonemes": True} | settings)))

    return opened


@pytest.mark.parametrize(("seconds", "frames"), [(3.0, 225), (0.5, 37), (0, FRAMES)])
def test_phonemes_and_voice_are_those_of_the_file(tmp_path: Path, speaker: Speak, seconds: float, frames: int) -> None:
    path = code_file(tmp_path / "a.enc", phonemes=PHONEMES, text="Not read.", language="en")
    codes = np.random.default_rng(0).integers(0, 1024, (1, 8, FRAMES), np.uint16)
    again = speaker(load_from_artifact=str(path), input_prompt_length=seconds, max_duration=30)
    said = again.speak("", None, seed=3)
    expected = speaker(max_duration=30).speak(PHONEMES, torch.from_numpy(codes[0].T[:frames].astype(np.int16)), seed=3)
    np.testing.assert_array_equal(said.wave, expected.wave)
    assert said.pieces == [PHONEMES]
    streamed = np.concatenate(list(again.stream("", None, seed=3).waves))
    np.testing.assert_allclose(streamed, expected.wave, atol=1e-4)


def test_masked_decoding_takes_the_length_of_the_file(tmp_path: Path, speaker: Speak) -> None:
    path = code_file(tmp_path / "a.enc", phonemes=list(PHONEMES))
    masked: dict[str, Any] = {"capabilities": ("nar", "len"), "max_steps": 2}
    assert len(speaker(**masked, load_from_artifact=str(path)).speak("", None, seed=0).wave) == FRAMES * HOP
    assert len(speaker(**masked).speak(PHONEMES, None, seed=0).wave) != FRAMES * HOP
    short = speaker(**masked, load_from_artifact=str(path), max_duration=20).speak("", None, seed=0)
    assert len(short.wave) == 20 * HOP and [one.name for one in short.finishes] == ["length"]


def test_a_json_file_beside_it_may_hold_the_phonemes(tmp_path: Path, speaker: Speak) -> None:
    path = code_file(tmp_path / "a.enc")
    path.with_suffix(".json").write_text(json.dumps({"phonemes": PHONEMES}))
    assert speaker(load_from_artifact=str(path), max_duration=5).speak("", None, seed=0).pieces == [PHONEMES]


def test_a_text_without_phonemes_is_phonemised(tmp_path: Path, speaker: Speak) -> None:
    pytest.importorskip("phonemizer")
    pytest.importorskip("espeakng_loader")
    path = code_file(tmp_path / "a.enc", text="Hello.")
    (piece,) = speaker(load_from_artifact=str(path), max_duration=5).speak("", None, seed=0).pieces
    assert "ə" in piece


class Calls:
    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.dac", {"phonemes": "a"}, r"a\.dac holds codes of dac, but the weights speak those of encodec"),
        ("a.wav", {"phonemes": "a"}, r"a\.wav is no code file, allowed: .*\.enc or \.dac"),
        ("a.enc", {}, r"a\.enc holds noise"),
        ("a.enc", {"levels": 4, "phonemes": "a"}, r"a\.enc: its codes are none of 8 levels of 1024"),
        ("a.enc", {"phonemes": Calls("exit 3")}, r"a\.enc is no code file that can be read"),
    ],
)
def test_what_cannot_be_said_again_is_told(
    tmp_path: Path, speaker: Speak, name: str, content: dict[str, Any], told: str
) -> None:
    path = code_file(tmp_path / name, **content)
    with pytest.raises(DataError, match=told):
        speaker(load_from_artifact=str(path)).speak("", None, seed=0)


def test_a_file_that_is_not_there_a_text_beside_it_and_another_task_are_refused(tmp_path: Path, speaker: Speak) -> None:
    with pytest.raises(DataError, match=r"none\.enc is no code file that can be read"):
        speaker(load_from_artifact=str(tmp_path / "none.enc")).speak("", None, seed=0)
    with pytest.raises(ConfigError, match="leave text and prompt empty"):
        speaker(load_from_artifact=str(tmp_path / "none.enc")).speak("Hello.", None, seed=0)
    problems = list(InferenceConfig(load_from_artifact="a.enc", task=SpokenTask.stt).problems())
    assert problems == ["load_from_artifact=a.enc needs task=tts, allowed with stt: null"]
