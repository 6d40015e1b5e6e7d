"""EnCodec through `transformers`: a tiny one with random weights, and how its absence is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vall_e.audio import open_codec
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.errors import AudioError

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = transformers.EncodecConfig(num_filters=4, hidden_size=16, num_lstm_layers=1, codebook_dim=16)
    path = tmp_path_factory.mktemp("encodec")
    transformers.EncodecModel(config).save_pretrained(path)
    return path


@pytest.mark.parametrize("samples", [320, 24_000, 24_001])
def test_speech_becomes_codes_and_a_wave_again(folder: Path, samples: int) -> None:
    codec = open_codec(AudioBackend.encodec, CodecConfig(path=str(folder)), "cpu")
    codes = codec.encode(torch.rand(samples, generator=torch.Generator().manual_seed(0)) - 0.5)
    assert codes.shape == (-(-samples // 320), 8)
    assert codes.dtype == torch.int16
    assert 0 <= int(codes.min()) <= int(codes.max()) <= 1023
    assert codec.decode(codes).shape == (320 * len(codes),)
    assert codec.decode(codes[:, :2]).shape == (320 * len(codes),)
    assert codec.decode(codes[:0]).shape == (0,)


@pytest.mark.parametrize("shortest", [2_560, 319])
def test_clips_of_a_batch_are_encoded_as_each_would_be_alone(folder: Path, shortest: int) -> None:
    codec = open_codec(AudioBackend.encodec, CodecConfig(path=str(folder)), "cpu")
    draw = torch.Generator().manual_seed(0)
    samples = [24_000, shortest, 2_561, 2_599, 2_879, 23_999, 12_345, 12_346, 12_350]
    waves = [torch.rand(n, generator=draw) - 0.5 for n in samples]
    alone = [codec.encode(wave) for wave in waves]
    assert [a.equal(b) for a, b in zip(codec.encode_batch(waves), alone, strict=True)] == [True] * len(samples)
    assert codec.encode(waves[0]).equal(alone[0])


def test_latents_are_what_the_codes_stand_for(folder: Path) -> None:
    codec = open_codec(AudioBackend.encodec, CodecConfig(path=str(folder)), "cpu")
    codes = codec.encode(torch.rand(3_200, generator=torch.Generator().manual_seed(0)) - 0.5)
    books = [layer.codebook.embed for layer in transformers.EncodecModel.from_pretrained(folder).quantizer.layers[:8]]
    expected = sum(book[codes[:, level].long()] for level, book in enumerate(books))
    torch.testing.assert_close(codec.latents(codes), expected)


def test_the_identity_tells_weights_apart(folder: Path, tmp_path: Path) -> None:
    codec, again = (open_codec(AudioBackend.encodec, CodecConfig(path=str(folder)), "cpu") for _ in range(2))
    assert codec.identity == again.identity
    identity = codec.identity
    assert (identity.name, identity.sample_rate, identity.frame_rate) == ("encodec", 24_000, 75.0)
    assert (identity.levels, identity.codebook_size) == (8, 1024)
    model = transformers.EncodecModel.from_pretrained(folder)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path)
    other = open_codec(AudioBackend.encodec, CodecConfig(path=str(tmp_path)), "cpu")
    assert other.identity.digest != identity.digest


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"codec\.path=.*absent: no such folder"):
        open_codec(AudioBackend.encodec, CodecConfig(path=str(tmp_path / "absent")), "cpu")


def test_encodec_of_another_rate_is_refused(tmp_path: Path) -> None:
    config = transformers.EncodecConfig(
        num_filters=4, hidden_size=16, num_lstm_layers=1, codebook_dim=16, sampling_rate=48_000, audio_channels=2
    )
    transformers.EncodecModel(config).save_pretrained(tmp_path)
    with pytest.raises(AudioError, match=r"48000 Hz with 2 channels, allowed: 24000 Hz mono"):
        open_codec(AudioBackend.encodec, CodecConfig(path=str(tmp_path)), "cpu")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="could not be loaded"):
        open_codec(AudioBackend.encodec, CodecConfig(path=str(tmp_path)), "cpu")


def test_offline_the_alternatives_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AudioError, match=r"Offline, set codec\.path .* or use audio_backend=builtin"):
        open_codec(AudioBackend.encodec, CodecConfig(), "cpu")


def test_frames_do_not_depend_on_those_that_follow(folder: Path) -> None:
    codec = open_codec(AudioBackend.encodec, CodecConfig(path=str(folder)), "cpu")
    codes = torch.randint(1024, (40, 8), generator=torch.Generator().manual_seed(0))
    assert codec.reach.behind == 0
    torch.testing.assert_close(codec.decode(codes[:25]), codec.decode(codes)[: 25 * 320], atol=1e-5, rtol=1e-4)
