"""Voices that are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.models.tiny import draw_codes
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.read import write_wav
from vall_e.decoding.voice import load_voice, read_voice, save_voice
from vall_e.errors import AudioError

CODEC = BuiltinCodec(SHIPPED_WEIGHTS, torch.device("cpu"))


def test_a_voice_is_the_prompt_of_its_recording(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 24_000).astype(np.float32)
    write_wav(tmp_path / "me.wav", noise, 24_000)
    codes = read_voice(tmp_path / "me.wav", CODEC, 0.5)
    save_voice(tmp_path / "me.safetensors", codes, CODEC.identity)
    assert read_voice(tmp_path / "me.safetensors", CODEC, 3.0).equal(codes)
    assert read_voice(tmp_path / "me.safetensors", CODEC, 0.2).equal(codes[:15])
    assert read_voice(tmp_path / "me.safetensors", CODEC, 0).equal(codes)


def test_a_voice_of_another_codec_is_refused(tmp_path: Path) -> None:
    save_voice(tmp_path / "me.safetensors", draw_codes(5), replace(CODEC.identity, name="encodec", digest="ab" * 8))
    with pytest.raises(AudioError, match="is a voice of the codec encodec"):
        load_voice(tmp_path / "me.safetensors", CODEC.identity)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "not a readable voice"), (b"\xff" * 99, "not a readable voice"), (None, "no such voice")],
)
def test_what_is_no_file_of_a_voice_is_refused(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "me.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=told):
        load_voice(path, CODEC.identity)


def test_weights_are_no_voice_and_codes_must_be_some(tmp_path: Path) -> None:
    path = tmp_path / "me.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(AudioError, match=r"python -m vall_e.voice RECORDING me.safetensors makes one"):
        load_voice(path, CODEC.identity)
    for codes in (draw_codes(5) + 2000, draw_codes(5)[:, :3], draw_codes(0)):
        save_voice(path, codes, CODEC.identity)
        with pytest.raises(AudioError, match="none of 8 levels of 1024"):
            load_voice(path, CODEC.identity)
    save_file({"codes": draw_codes(5)}, path, {"format": "vall_e-voice", "codec": "[]"})
    with pytest.raises(AudioError, match="does not tell its codec"):
        load_voice(path, CODEC.identity)
