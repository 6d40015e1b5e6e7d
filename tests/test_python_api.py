"""`from vall_e import load_speaker`: speaking from Python, as docs/python.md shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import vall_e
from vall_e.api import LoadedSpeaker
from vall_e.errors import AudioError, ConfigError, TextError, VallEError, WeightsError
from vall_e.models.weights.pretrained import save_pretrained
from vall_e.models.weights.weights_file import read_weights

from . import forked
from .small_run import REPOSITORY, engine, environment, small

PAGE = REPOSITORY / "docs" / "python.md"
SPOKEN = {"phonemes": True, "max_duration": 8}


@pytest.fixture(scope="module")
def home(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights, the same as a pretrained folder, and a voice."""
    folder = tmp_path_factory.mktemp("home")
    one = engine(small(speech))
    one.write_weights(folder / "weights.safetensors", one.weights(), 1)
    save_pretrained(folder / "runs" / "pretrained", read_weights(folder / "weights.safetensors"))
    soundfile.write(folder / "voice.wav", 0.3 * np.sin(np.arange(24_000) / 20), 24_000)
    return folder


@pytest.fixture(scope="module")
def speaker(home: Path) -> LoadedSpeaker:
    return vall_e.load_speaker(home / "weights.safetensors", **SPOKEN)


def test_the_page_does_what_it_says(home: Path) -> None:
    pytest.importorskip("phonemizer", reason="the extra espeak is not installed")
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    before = {path.name for path in home.iterdir()}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=home, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in home.iterdir()} - before == {"hello.wav", "0.wav", "1.wav", "copy"}
    length = soundfile.info(home / "hello.wav").duration
    assert done.stdout.startswith(f"{length:.2f} s\n") and " samples at 24000 Hz\n" in done.stdout


def test_importing_the_package_waits_for_nothing() -> None:
    code = (
        "import vall_e, sys; print([name for name in ('torch', 'hydra', 'omegaconf', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(callable(getattr(vall_e, name)) for name in vall_e.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_speeker'"):
        vall_e.load_speeker  # noqa: B018


def test_a_recording_its_codes_and_a_folder_say_the_same(home: Path, speaker: LoadedSpeaker) -> None:
    said = speaker.speak("həloʊ", home / "voice.wav", seed=3)
    assert said.sample_rate == speaker.sample_rate == 24_000 and len(said.wave) and said.wave.dtype == np.float32
    voice = speaker.voice(str(home / "voice.wav"))
    assert voice.shape == (75, 8)
    assert np.array_equal(speaker.speak("həloʊ", voice, seed=3).wave, said.wave)
    other = vall_e.load_speaker(str(home / "runs" / "pretrained"), seed=3, **SPOKEN)
    assert np.array_equal(other.speak("həloʊ", voice).wave, said.wave)
    assert not np.array_equal(speaker.speak("həloʊ", voice).wave, said.wave)


def test_the_command_line_says_the_same(home: Path, speaker: LoadedSpeaker) -> None:
    settings = ("inference.phonemes=true", "inference.max_duration=8", "inference.seed=3", "weights=runs/pretrained")
    done = forked.run(["-m", "vall_e", "həloʊ", "voice.wav", "said.wav", *settings], home, environment())
    assert done.returncode == 0, done.stderr
    wave = soundfile.read(home / "said.wav", dtype="float32")[0]
    (home / "said.wav").unlink()
    said = speaker.speak("həloʊ", home / "voice.wav", seed=3)
    np.testing.assert_allclose(np.clip(said.wave, -1, 1), wave, atol=1 / 2**14)


def test_a_stream_is_what_is_said(home: Path, speaker: LoadedSpeaker) -> None:
    stream = speaker.stream("həloʊ", home / "voice.wav", seed=3)
    waves = np.concatenate(list(stream.waves))
    np.testing.assert_allclose(waves, speaker.speak("həloʊ", home / "voice.wav", seed=3).wave, atol=1e-4)
    assert len(stream.finishes) == 1


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"top_kk": 3}, ConfigError, r"inference\.top_kk: no such setting.*nearest: inference\.top_k\)"),
        ({"top_p": 2}, ConfigError, r"inference\.top_p=2\.0 is out of range"),
        (
            {"split_text_by": "words"},
            ConfigError,
            r"=words is not allowed, allowed: sentences, lines, none",
        ),
        ({"top_k": [1]}, ConfigError, r"top_k"),
        ({"device": "gpu"}, ConfigError, r"device='gpu' is not allowed"),
        ({"weights": "nowhere"}, WeightsError, r"nowhere: no such file"),
        ({"weights": ""}, ConfigError, r"weights=PATH is needed"),
        ({"weights": "."}, WeightsError, r"weights=\. has no config\.json"),
    ],
)
def test_what_a_caller_can_mend_is_one_sentence(
    home: Path, settings: dict[str, object], kind: type[VallEError], words: str
) -> None:
    given = {"weights": home / "weights.safetensors"} | settings
    with pytest.raises(kind, match=words) as refusal:
        vall_e.load_speaker(**given)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_what_cannot_be_said_or_heard_is_told(speaker: LoadedSpeaker) -> None:
    with pytest.raises(TextError, match="the text is empty"):
        speaker.speak(" ")
    with pytest.raises(AudioError, match="no such audio file"):
        speaker.speak("həloʊ", "nowhere.wav")
