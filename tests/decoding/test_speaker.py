"""Text to a waveform, with random weights and the codec that ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.tiny import draw_codes, tiny_model
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.read import write_wav
from vall_e.config.inference import InferenceConfig, TextSplit
from vall_e.config.trainer import WeightDtype
from vall_e.decoding.speaker import Speaker
from vall_e.decoding.voice import read_voice
from vall_e.errors import TextError, WeightsError
from vall_e.models.weights.weights_file import LoadedWeights
from vall_e.text import open_tokenizer

HOP = 320


@pytest.fixture(scope="module")
def codec() -> BuiltinCodec:
    return BuiltinCodec(SHIPPED_WEIGHTS, torch.device("cpu"))


def speaker(codec: BuiltinCodec, **settings: Any) -> Speaker:
    model = tiny_model()
    weights = LoadedWeights(model, model.cfg, open_tokenizer(None, None), codec.identity, 1)
    return Speaker(weights, codec, InferenceConfig(**({"max_duration": 12, "phonemes": True} | settings)))


def test_phonemes_become_a_waveform(codec: BuiltinCodec) -> None:
    speech = speaker(codec).speak("həlˈoʊ", draw_codes(5), seed=0)
    assert speech.wave.dtype == np.float32
    assert speech.sample_rate == 24_000
    assert 0 < len(speech.wave) <= 12 * HOP
    assert np.isfinite(speech.wave).all()
    assert (speech.pieces, speech.silent) == (["həlˈoʊ"], [])


def test_symbols_that_the_model_does_not_know_are_told(codec: BuiltinCodec, caplog: pytest.LogCaptureFixture) -> None:
    speaker(codec).speak("həlˈoʊ", None, seed=0)
    assert "knows no" not in caplog.text
    speaker(codec).speak("h\N{CYRILLIC SMALL LETTER ZHE}l\N{SNOWMAN}\n\N{SNOWMAN}", None, seed=0)
    assert "The model knows no 'ж' (U+0436), '☃' (U+2603) and is given <unk> in its place" in caplog.messages


def test_text_becomes_a_waveform(codec: BuiltinCodec) -> None:
    pytest.importorskip("phonemizer")
    pytest.importorskip("espeakng_loader")
    speech = speaker(codec, phonemes=False).speak("Hello there. How are you?", None, seed=0)
    assert speech.pieces == ["Hello there.", "How are you?"]
    assert len(speech.wave)


def test_a_seed_says_the_same_again(codec: BuiltinCodec) -> None:
    first, again, other = (speaker(codec).speak("ˈɑː", draw_codes(5), seed).wave for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_pieces_follow_one_another_whatever_the_batch_size(codec: BuiltinCodec, batch_size: int) -> None:
    lines = ["həlˈoʊ", "wˈɜːld", "ˈɑː"]
    speech = speaker(codec, batch_size=batch_size).speak("\n".join(lines), None, seed=4)
    alone = [speaker(codec).speak(line, None, seed=4).wave for line in lines]
    assert speech.pieces == lines
    np.testing.assert_allclose(speech.wave, np.concatenate(alone), atol=1e-4)


def test_pieces_without_sound_are_told(codec: BuiltinCodec) -> None:
    mute = speaker(codec)
    with torch.no_grad():
        mute.model.classifiers.proj[0].bias[1024] += 1e6
    speech = mute.speak("həlˈoʊ\nwˈɜːld", None, seed=0)
    assert len(speech.wave) == 0
    assert speech.silent == speech.pieces == ["həlˈoʊ", "wˈɜːld"]


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_empty_text_is_refused(codec: BuiltinCodec, text: str) -> None:
    with pytest.raises(TextError, match="the text is empty"):
        speaker(codec, split_text_by=TextSplit.lines).speak(text, None, seed=0)


def test_weights_of_another_codec_are_refused(codec: BuiltinCodec) -> None:
    model = tiny_model()
    other = replace(codec.identity, name="encodec", digest="feedfacefeedface")
    weights = LoadedWeights(model, model.cfg, open_tokenizer(None, None), other, 1)
    with pytest.raises(WeightsError, match=rf"encodec \(feedfacefeedface\), but builtin \({codec.identity.digest}\)"):
        Speaker(weights, codec, InferenceConfig())


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_dtype": WeightDtype.bfloat16},
        {"weight_dtype": WeightDtype.float16},
        {"weight_dtype": WeightDtype.bfloat16, "amp": True},
        {"weight_dtype": WeightDtype.int8},
    ],
    ids=["bfloat16", "float16", "mixed", "int8"],
)
def test_every_precision_speaks(codec: BuiltinCodec, settings: dict[str, Any]) -> None:
    assert len(speaker(codec, **settings).speak("həlˈoʊ", draw_codes(5), seed=0).wave)


@pytest.mark.parametrize(("seconds", "frames"), [(0.1, 8), (0, 75), (3.0, 75)])
def test_a_prompt_is_trimmed(codec: BuiltinCodec, tmp_path: Path, seconds: float, frames: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 24_000).astype(np.float32)
    write_wav(tmp_path / "voice.wav", noise, 24_000)
    prompt = read_voice(tmp_path / "voice.wav", codec, seconds)
    assert prompt.shape == (frames, 8)
    assert len(speaker(codec).speak("ˈɑː", prompt, seed=0).wave)


LINES = "həlˈoʊ\nwˈɜːld\nˈɑː"
STREAMED: list[dict[str, Any]] = [
    {"max_duration": 80},
    {"max_duration": 80, "chunk_frames": 12, "chunk_lookahead": 3},
    {"max_duration": 30, "batch_size": 1, "context_history": 1, "chunk_frames": 12},
    {"max_duration": 30, "context_history": 2, "prefix_silence": 0.1},
    {"max_duration": 30, "input_prompt_prefix": True, "amp": True, "weight_dtype": WeightDtype.bfloat16},
]


@pytest.mark.parametrize("settings", STREAMED, ids=str)
def test_a_stream_is_what_is_spoken_at_once(codec: BuiltinCodec, settings: dict[str, Any]) -> None:
    speech = speaker(codec, **settings).speak(LINES, draw_codes(40), seed=3)
    stream = speaker(codec, **settings).stream(LINES, draw_codes(40), seed=3)
    np.testing.assert_allclose(np.concatenate(list(stream.waves)), speech.wave, atol=1e-5)
    assert (stream.pieces, stream.finishes) == (speech.pieces, speech.finishes)


def test_a_piece_goes_on_from_those_before(codec: BuiltinCodec) -> None:
    """The second piece is that of a request with both texts and the codes of the first."""
    waves = [speaker(codec, context_history=n).speak(LINES, None, seed=3).wave for n in (0, 1, 2)]
    assert not any(np.array_equal(a, b) for a, b in ((waves[0], waves[1]), (waves[1], waves[2])))


def test_silence_stands_before_every_piece(codec: BuiltinCodec) -> None:
    said = speaker(codec).speak(LINES, None, seed=3)
    delayed = speaker(codec, prefix_silence=0.4).speak(LINES, None, seed=3)
    assert len(delayed.wave) == len(said.wave) + 3 * 30 * HOP
    assert np.abs(delayed.wave[: 20 * HOP]).max() < 0.05


def test_text_may_be_written_in_another_language(codec: BuiltinCodec) -> None:
    pytest.importorskip("phonemizer")
    pytest.importorskip("espeakng_loader")
    plain, german = (speaker(codec, phonemes=False, text_language=language) for language in (None, "de"))
    assert plain.tokenise(["Wasser"]) != german.tokenise(["Wasser"])
