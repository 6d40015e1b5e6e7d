"""Recordings of hours: memory holds them once at the rate that is wanted, and not several of them ahead."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile
import soxr

from vall_e.audio import read
from vall_e.audio.read import read_audio
from vall_e.audio.stretches import read_stretches
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline import read_ahead as reading
from vall_e.data.pipeline import transcribe
from vall_e.data.pipeline.contents import Contents
from vall_e.data.pipeline.journal import Journal
from vall_e.data.pipeline.read_ahead import read_ahead
from vall_e.data.pipeline.silence import speech_span
from vall_e.data.pipeline.transcribe import Transcription
from vall_e.data.pipeline.whisper import SAMPLE_RATE, Transcriber, Transcript
from vall_e.data.prepare import prepare
from vall_e.data.recipes.corpus_entries import read_corpus

from .heard import BurstTranscriber, bursts, record
from .tones import EnergyCodec

MINUTES = 5
MIB = 2**20
WHOLE = MINUTES * 60 * SAMPLE_RATE * 4
"""Bytes of the recording as Whisper wants it."""

T = TypeVar("T")


class Ticking:
    """Hears a word every ten seconds."""

    name = "ticking"

    def transcribe(self, wave: np.ndarray, language: str | None) -> Transcript:
        return Transcript("en", [(at + 1.0, at + 9.0, "Tick.") for at in range(0, len(wave) // SAMPLE_RATE, 10)])


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of stereo at 48 kHz: 115 MB as float32."""
    path = tmp_path_factory.mktemp("long") / "radio/anna/long.wav"
    path.parent.mkdir(parents=True)
    minute = np.random.default_rng(0).integers(-9_000, 9_000, (60 * 48_000, 2), dtype=np.int16)
    with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
        for _ in range(MINUTES):
            file.write(minute)
    return path


def peak(call: Callable[[], T]) -> tuple[T, int]:
    """What a call returns, and the bytes it took at its worst."""
    tracemalloc.start()
    try:
        found = call()
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_recording_is_in_memory_once(long: Path):
    wave, most = peak(lambda: read_audio(long, SAMPLE_RATE))
    assert len(wave) == MINUTES * 60 * SAMPLE_RATE
    assert most < WHOLE + 12 * MIB


def test_a_long_recording_is_prepared_in_little_more_than_that(long: Path, tmp_path: Path):
    cfg = Config(
        dataset=DatasetConfig(source=str(long.parents[1]), hdf5_name=str(tmp_path / "s.h5")),
        preparation=PreparationConfig(transcribe="ticking", trim_silence=True, slice_over=5.0),
    )
    report, most = peak(lambda: prepare(cfg, EnergyCodec(), transcriber=Ticking()))
    assert report.utterances == MINUTES * 6
    assert most < WHOLE + 24 * MIB


def test_transcribing_takes_the_memory_of_a_stretch(long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transcribe, "STRETCH_SECONDS", 30.0)
    monkeypatch.setattr(transcribe, "CUT_WITHIN_SECONDS", 5.0)
    entries = read_corpus(long.parents[1], DatasetConfig(), PreparationConfig()).entries
    _, most = peak(lambda: transcription(tmp_path, Ticking()).run(entries))
    assert most < 3 * 30 * SAMPLE_RATE * 4 + 12 * MIB < WHOLE


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
def test_stretches_are_the_recording_and_end_where_it_is_quiet(tmp_path: Path, rate: int):
    noise = np.random.default_rng(0).normal(0, 0.1, rate * 21).astype(np.float32)
    pauses = (2.4, 3.2, 6.4, 11.0, 14.9)
    for at in pauses:
        noise[round(at * rate) : round((at + 0.6) * rate)] = 0
    soundfile.write(tmp_path / "a.wav", noise, rate, subtype="FLOAT")
    waves = list(read_stretches(tmp_path / "a.wav", 16_000, 4.0, 2.0))
    np.testing.assert_array_equal(np.concatenate(waves), read_audio(tmp_path / "a.wav", 16_000))
    assert max(map(len, waves)) <= 4 * 16_000
    ends = np.cumsum([len(wave) for wave in waves[:-1]]) / 16_000
    assert ends[:2].tolist() == pytest.approx([3.5, 6.7], abs=0.1)
    assert len(list(read_stretches(tmp_path / "a.wav", 16_000, 21.0, 2.0))) == 1


def bursting(folder: Path, name: str = "a.wav") -> None:
    record(folder / f"radio/anna/{name}", bursts(1.0, 0.8, 1.2, 0.6, 1.5, 0.7, 0.9, 1.1, gap=0.8))


def transcription(folder: Path, transcriber: Transcriber) -> Transcription:
    journals = (Journal(folder / "journal" / step, "one") for step in ("transcribe", "content"))
    return Transcription(PreparationConfig(), next(journals), transcriber, Contents(next(journals), 1))


def test_segments_have_their_times_in_the_whole_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bursting(tmp_path)
    entries = read_corpus(tmp_path / "radio", DatasetConfig(), PreparationConfig()).entries
    told: list[str | None] = []

    class Listening(BurstTranscriber):
        def transcribe(self, wave: np.ndarray, language: str | None) -> Transcript:
            told.append(language)
            return super().transcribe(wave, language)

    def heard(folder: str, seconds: float) -> tuple[str, float, list[list[float]]]:
        monkeypatch.setattr(transcribe, "STRETCH_SECONDS", seconds)
        monkeypatch.setattr(transcribe, "CUT_WITHIN_SECONDS", 2.5)
        step = transcription(tmp_path / folder, Listening("nl"))
        step.run(entries)
        assert step.pending(entries) == []
        found = step.journal[step.key(entries[0])]
        return found["language"], found["seconds"], [segment[:2] for segment in found["segments"]]

    language, seconds, segments = heard("whole", 900.0)
    assert (language, len(segments), told) == ("nl", 8, [None])
    in_stretches = heard("stretches", 4.0)
    assert in_stretches[:2] == (language, seconds)
    np.testing.assert_allclose(in_stretches[2], segments, atol=0.0101)
    assert len(told) > 4 and told[1:3] == [None, "nl"]  # heard once


def test_a_recording_that_ends_early_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bursting(tmp_path, "a.flac")
    whole = (tmp_path / "radio/anna/a.flac").read_bytes()
    (tmp_path / "radio/anna/a.flac").write_bytes(whole[: len(whole) * 3 // 4])
    monkeypatch.setattr(transcribe, "STRETCH_SECONDS", 4.0)
    monkeypatch.setattr(read, "BLOCK", 1_000)
    entries = read_corpus(tmp_path / "radio", DatasetConfig(), PreparationConfig()).entries
    first, again = (transcription(tmp_path, BurstTranscriber()) for _ in range(2))
    first.run(entries)
    assert first.journal[first.key(entries[0])]["unread"] and again.journal.reload() is None
    assert again.pending(entries) == entries


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_blocks_are_resampled_as_the_whole_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int):
    wave = np.random.default_rng(0).normal(0, 0.1, (rate * 3 + 7, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    monkeypatch.setattr(read, "BLOCK", 1_000)
    expected = wave.mean(axis=1) if rate == 16_000 else soxr.resample(wave.mean(axis=1), rate, 16_000)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", 16_000), expected)


def test_speech_is_found_in_what_is_not_whole_frames():
    wave = np.zeros(16_000 + 77, np.float32)
    wave[-50:] = 1
    assert speech_span(wave, 16_000, 40.0) == pytest.approx((0.95, len(wave) / 16_000))
    assert speech_span(wave[-50:], 16_000, 40.0) == (0.0, 50 / 16_000)
    assert speech_span(wave[:0], 16_000, 40.0) is None


def test_what_is_read_ahead_is_bounded_by_its_length(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "BYTES_AHEAD", 2_500)
    lock, begun = threading.Lock(), list[int]()

    def read_one(number: int) -> np.ndarray:
        with lock:
            begun.append(number)
        return np.full(1_000, number, np.uint8)

    found = read_ahead(range(40), read_one, workers=4)
    for expected in range(40):
        number, wave = next(found)
        assert number == expected == wave[0]
        time.sleep(0.002)
        with lock:
            # Those that wait, and one for each thread that began while there was room.
            assert len(begun) <= expected + 1 + 3 + 4
    assert sorted(begun) == list(range(40))


def test_reading_ahead_ends_with_its_reader_though_there_is_no_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "BYTES_AHEAD", 1)
    before = set(threading.enumerate())
    found = read_ahead(range(100), lambda number: np.zeros(10), workers=3)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before
