"""Audio files in and out."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from vall_e.audio.read import Wave, read_audio, write_wav
from vall_e.errors import AudioError, MissingExtra


def tone(hertz: float = 440, seconds: float = 1.0, rate: int = 24_000, gain: float = 0.25) -> Wave:
    return (gain * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def loudness(wave: Wave) -> float:
    """Root mean square of the middle half, away from the edges of a resampler."""
    quarter = len(wave) // 4
    return float(np.sqrt(np.mean(wave[quarter:-quarter].astype(np.float64) ** 2)))


@pytest.mark.parametrize(("suffix", "tolerance"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.05)])
def test_formats_are_read_at_their_own_rate(tmp_path: Path, suffix: str, tolerance: float) -> None:
    soundfile.write(tmp_path / f"tone.{suffix}", tone(), 24_000)
    wave = read_audio(tmp_path / f"tone.{suffix}", 24_000)
    assert wave.dtype == np.float32
    assert wave.shape == (24_000,)
    np.testing.assert_allclose(wave, tone(), atol=tolerance)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_other_rates_are_resampled_at_the_same_pitch_and_loudness(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(rate=rate), rate, subtype="FLOAT")
    wave = read_audio(tmp_path / "tone.wav", 24_000)
    assert wave.dtype == np.float32
    assert abs(len(wave) - 24_000) <= 1
    assert int(np.abs(np.fft.rfft(wave[:24_000], 24_000)).argmax()) == 440
    assert loudness(wave) == pytest.approx(loudness(tone()), rel=0.01)


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([tone(gain=0.4), np.zeros(24_000, dtype=np.float32)], 1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 24_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "stereo.wav", 24_000), tone(gain=0.2), atol=1e-6)


@pytest.mark.parametrize("gain", [0.001, 0.9])
def test_loudness_is_kept(tmp_path: Path, gain: float) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(gain=gain, rate=44_100), 44_100, subtype="FLOAT")
    assert loudness(read_audio(tmp_path / "tone.wav", 24_000)) == pytest.approx(gain / 2**0.5, rel=0.01)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"absent\.wav: no such audio file"):
        read_audio(tmp_path / "absent.wav", 24_000)


def test_a_folder_is_no_audio_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder"):
        read_audio(tmp_path, 24_000)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all " * 50])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "garbage.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"garbage\.wav: not a readable audio file"):
        read_audio(tmp_path / "garbage.wav", 24_000)


def test_a_file_without_audio_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, dtype=np.float32), 24_000)
    with pytest.raises(AudioError, match="holds no audio"):
        read_audio(tmp_path / "empty.wav", 24_000)


def test_a_written_wave_is_read_again(tmp_path: Path) -> None:
    write_wav(tmp_path / "made" / "out.wav", tone(), 24_000)
    assert soundfile.info(tmp_path / "made" / "out.wav").subtype == "PCM_16"
    np.testing.assert_allclose(read_audio(tmp_path / "made" / "out.wav", 24_000), tone(), atol=1e-4)
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["out.wav"]


@given(gain=st.floats(1.5, 1e6))
def test_what_exceeds_the_range_is_clipped(tmp_path_factory: pytest.TempPathFactory, gain: float) -> None:
    path = tmp_path_factory.mktemp("loud") / "loud.wav"
    write_wav(path, np.array([gain, -gain, 0.5], dtype=np.float32), 24_000)
    np.testing.assert_allclose(read_audio(path, 24_000), [1, -1, 0.5], atol=1e-4)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    write_wav(tmp_path / "out.wav", tone(), 24_000)
    before = (tmp_path / "out.wav").read_bytes()
    with pytest.raises((ValueError, TypeError, OSError, soundfile.SoundFileError)):
        write_wav(tmp_path / "out.wav", tone(), -1)
    assert (tmp_path / "out.wav").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.wav"]


def test_a_written_wave_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_wav(tmp_path / "out.wav", tone(), 24_000)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "out.wav")}
    assert len(modes) == 1


def test_formats_of_the_extra_media_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.g722").write_bytes(bytes(100))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        MissingExtra, match=r"reading \.g722 files needs the package 'av': pip install 'vall_e\[media\]'"
    ):
        read_audio(tmp_path / "a.g722", 16_000)


def test_g722_is_read_with_the_extra_media(tmp_path: Path):
    pytest.importorskip("av", reason="the extra media is not installed")
    (tmp_path / "a.g722").write_bytes(bytes(range(256)) * 100)
    assert len(read_audio(tmp_path / "a.g722", 16_000)) == 2 * 25_600
    assert len(read_audio(tmp_path / "a.g722", 16_000, span=(0.5, 1.25))) == 12_000
    with pytest.raises(AudioError, match="allowed: 1 s"):
        read_audio(tmp_path / "a.g722", 16_000, longest=1.0)


@pytest.mark.parametrize("suffix", ["m4a", "mp4", "aac", "webm", "wma"])
@pytest.mark.parametrize(
    "content", [b"", b"no media", b"#EXTM3U\n#EXTINF:9,\nwhole.wav\n", b"ffconcat version 1.0\nfile whole.wav\n"]
)
def test_what_is_no_media_is_named_and_a_playlist_is_not_followed(tmp_path: Path, suffix: str, content: bytes):
    pytest.importorskip("av", reason="the extra media is not installed")
    write_wav(tmp_path / "whole.wav", tone(), 24_000)
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(AudioError, match=rf"a\.{suffix}: (not a readable audio file|holds no audio)"):
        read_audio(tmp_path / f"a.{suffix}", 16_000)


def test_a_span_is_what_lies_there(tmp_path: Path):
    wave = np.linspace(-0.5, 0.5, 16_000, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", 16_000, span=(0.25, 0.5)), wave[4_000:8_000])
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", 16_000, span=(0.9, 5.0)), wave[14_400:])
    with pytest.raises(AudioError, match="holds no audio"):
        read_audio(tmp_path / "a.wav", 16_000, span=(2.0, 3.0))


def test_a_file_that_was_cut_short_is_named(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1_000, np.float32), 16_000)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:-500])
    with pytest.raises(AudioError, match="is cut short, 500 bytes are missing"):
        read_audio(tmp_path / "a.wav", 16_000)
    streamed = content[:40] + b"\xff\xff\xff\xff" + content[44:]
    (tmp_path / "a.wav").write_bytes(streamed)
    assert len(read_audio(tmp_path / "a.wav", 16_000)) == 1_000
