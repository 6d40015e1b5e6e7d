"""The codec that ships, on the speech that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from vall_e.audio import open_codec
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.builtin.spectral_codec import SpectralCodecShape
from vall_e.audio.builtin.spectral_features import SpectralFeatures
from vall_e.audio.builtin.weights import load_codec
from vall_e.audio.read import Wave
from vall_e.config.codec import CODEC_FACTS, AudioBackend, CodecConfig
from vall_e.errors import AudioError

CPU = torch.device("cpu")


def mel_distance(a: Tensor, b: Tensor) -> float:
    """Mean difference of log-mel spectra."""
    features = SpectralFeatures(sample_rate=24_000, hop=320, window=1280, mels=80)
    return float((features(a[None]) - features(b[None]))[:, :80].abs().mean())


def test_the_codec_that_ships_has_the_sizes_that_training_begins_with() -> None:
    assert load_codec(SHIPPED_WEIGHTS).shape == SpectralCodecShape()


def test_speech_becomes_codes_of_eight_levels(codec: BuiltinCodec, speech: Wave) -> None:
    codes = codec.encode(torch.from_numpy(speech))
    assert codes.shape == (150, 8)
    assert codes.dtype == torch.int16
    assert 0 <= int(codes.min()) <= int(codes.max()) <= 1023
    assert len(codes[:, 0].unique()) > 30


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 640, 641, 960, 1279, 24_001])
def test_every_begun_hop_is_a_frame(codec: BuiltinCodec, speech: Wave, samples: int) -> None:
    codes = codec.encode(torch.from_numpy(speech[:samples]))
    assert codes.shape == (-(-samples // 320), 8)
    wave = codec.decode(codes)
    assert wave.shape == (320 * len(codes),)
    assert wave.dtype == torch.float32
    assert wave.isfinite().all()


def test_no_samples_are_no_codes(codec: BuiltinCodec) -> None:
    assert codec.encode(torch.zeros(0)).shape == (0, 8)
    assert codec.decode(torch.zeros(0, 8, dtype=torch.int16)).shape == (0,)


def test_silence_stays_silent(codec: BuiltinCodec) -> None:
    assert float(codec.decode(codec.encode(torch.zeros(24_000))).abs().max()) < 0.02


def test_speech_is_decoded_the_better_the_more_levels(codec: BuiltinCodec, speech: Wave) -> None:
    wave = torch.from_numpy(speech)
    codes = codec.encode(wave)
    distances = [mel_distance(codec.decode(codes[:, :levels]), wave) for levels in (1, 2, 4, 8)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.8 * distances[0]
    assert distances[-1] < 0.7


def test_decoded_speech_is_as_loud_as_the_original(codec: BuiltinCodec, speech: Wave) -> None:
    decoded = codec.decode(codec.encode(torch.from_numpy(speech))).numpy()
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(np.sqrt(np.mean(speech**2)), rel=0.2)


def test_the_waveform_below_a_kilohertz_is_kept(codec: BuiltinCodec, speech: Wave) -> None:
    def low(wave: Tensor) -> Tensor:
        hertz = torch.fft.rfftfreq(len(wave), 1 / 24_000)
        return torch.fft.irfft(torch.fft.rfft(wave) * ((hertz > 60) & (hertz < 1_000)), len(wave))

    wave = torch.from_numpy(speech)
    decoded = codec.decode(codec.encode(wave))[: len(wave)]
    assert float(torch.cosine_similarity(low(decoded), low(wave), dim=0)) > 0.85


def test_the_same_speech_gives_the_same_codes(codec: BuiltinCodec, speech: Wave) -> None:
    again = BuiltinCodec(SHIPPED_WEIGHTS, CPU)
    first, second = (c.encode(torch.from_numpy(speech)) for c in (codec, again))
    assert first.equal(second)
    assert codec.decode(first).equal(again.decode(second))
    assert codec.identity == again.identity


def test_the_identity_agrees_with_the_settings(codec: BuiltinCodec) -> None:
    identity, facts = codec.identity, CODEC_FACTS[AudioBackend.builtin]
    assert identity.name == "builtin"
    assert (identity.sample_rate, identity.frame_rate) == (facts.sample_rate, facts.frame_rate)
    assert (identity.levels, identity.codebook_size) == (facts.levels, facts.codebook_size)
    assert len(identity.digest) == 16


def test_settings_open_the_codec_that_ships(codec: BuiltinCodec) -> None:
    assert open_codec(AudioBackend.builtin, CodecConfig(), "cpu").identity == codec.identity


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"codec\.path=.*absent\.safetensors: no such file"):
        open_codec(AudioBackend.builtin, CodecConfig(path=str(tmp_path / "absent.safetensors")), "cpu")


@pytest.mark.parametrize("metadata", [None, {"shape": "{"}, {"shape": "{}"}, {"shape": '{"wings": 2}'}], ids=str)
def test_foreign_weights_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"sep": torch.zeros(3)}, tmp_path / "foreign.safetensors", metadata)
    with pytest.raises(AudioError, match="not weights of the built-in codec"):
        BuiltinCodec(tmp_path / "foreign.safetensors", CPU)


def test_weights_of_other_tensors_are_refused_in_a_line(tmp_path: Path, codec: BuiltinCodec) -> None:
    with safe_open(SHIPPED_WEIGHTS, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["decoder.project.bias"] = tensors["decoder.project.bias"][:-641].clone()
    save_file(tensors, tmp_path / "earlier.safetensors", metadata)
    with pytest.raises(AudioError, match="not weights of the built-in codec as it is in this version") as refusal:
        BuiltinCodec(tmp_path / "earlier.safetensors", CPU)
    assert "\n" not in str(refusal.value)


def test_garbage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "garbage.safetensors").write_bytes(b"garbage" * 99)
    with pytest.raises(AudioError, match="not weights of the built-in codec"):
        BuiltinCodec(tmp_path / "garbage.safetensors", CPU)


def test_clips_of_a_batch_are_encoded_as_each_would_be_alone(codec: BuiltinCodec, speech: Wave) -> None:
    samples = [48_000, 1, 319, 640, 1279, 1281, 24_001, 9_600, 47_999, 47_681]
    waves = [torch.from_numpy(speech[-n:].copy()) for n in samples]
    alone = [codec.encode(wave) for wave in waves]
    assert [a.equal(b) for a, b in zip(codec.encode_batch(waves), alone, strict=True)] == [True] * len(samples)
    assert codec.encode_batch(waves[3:4])[0].equal(alone[3])
    assert codec.encode(waves[0]).equal(alone[0])
