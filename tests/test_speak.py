"""`python -m vall_e TEXT [PROMPT [OUT]] [key=value ...]`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import save_file

from vall_e.__main__ import main, parse
from vall_e.voice import main as keep_voice

from . import forked
from .small_run import engine, environment, small

# Phonemes for themselves are said by their symbols; text needs the extra espeak.
PHONEMES = ("inference.phonemes=true", "inference.max_duration=8")

Speak = Callable[..., int]


@pytest.fixture(scope="module")
def weights(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "fp32.safetensors"
    one = engine(small(speech))
    one.write_weights(path, one.weights(), one.global_step)
    return str(path)


@pytest.fixture
def speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speak:
    """Runs the command line in a folder of its own with a prompt `voice.wav`; returns the exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    tone = 0.3 * np.sin(np.arange(24_000) / 20)
    soundfile.write("voice.wav", tone, 24_000)

    def run(*arguments: str) -> int:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "")
        monkeypatch.setattr(sys, "argv", ["vall_e", *arguments])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


def seconds(path: str) -> float:
    return float(soundfile.info(path).duration)


def test_phonemes_are_spoken_into_a_new_folder(speak: Speak, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert speak("həloʊ", "voice.wav", "new/folder/out.wav", f"weights={weights}", *PHONEMES) == 0
    told = capsys.readouterr().out
    assert told == f"new/folder/out.wav: {seconds('new/folder/out.wav'):.2f} s\n"
    assert soundfile.info("new/folder/out.wav").samplerate == 24_000


def test_without_prompt_and_output_a_voice_of_its_own_goes_to_speech_wav(speak: Speak, weights: str) -> None:
    assert speak("həloʊ", f"weights={weights}", *PHONEMES) == 0
    assert seconds("speech.wav") > 0


def test_what_bounds_speech_is_told(speak: Speak, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert speak("həloʊ", f"weights={weights}", *PHONEMES, "inference.max_duration=2") == 0
    bounds = "(inference.max_duration=2, inference.frames_per_token=30)"
    assert f"as it was as long as it may be {bounds}: inference.retries=3" in capsys.readouterr().err


def test_the_seed_decides_what_is_said(speak: Speak, weights: str) -> None:
    for out, seed in (("a.wav", "1"), ("b.wav", "1"), ("c.wav", "2")):
        assert speak("həloʊ", "voice.wav", out, f"weights={weights}", f"inference.seed={seed}", *PHONEMES) == 0
    a, b, c = (Path(name).read_bytes() for name in ("a.wav", "b.wav", "c.wav"))
    assert a == b != c


@pytest.mark.parametrize(
    "text",
    [
        "2 = 2",
        "x=y",
        "seed=1",
        'She said: "no!"',
        "it's ${HOME}",
        "naïve café, 1 000 €",
        "-5 degrees",
        "a\nb",
        "\\n {}",
    ],
)
def test_every_text_is_text(speak: Speak, weights: str, text: str) -> None:
    pytest.importorskip("phonemizer", reason="the extra espeak is not installed")
    assert speak(text, "voice.wav", "out.wav", f"weights={weights}", "inference.max_duration=4") == 0
    assert Path("out.wav").is_file()


def test_several_sentences_are_longer_than_one(speak: Speak, weights: str) -> None:
    pytest.importorskip("phonemizer", reason="the extra espeak is not installed")
    common = (f"weights={weights}", "inference.max_duration=6")
    assert speak("Hello there.", "voice.wav", "one.wav", *common) == 0
    assert speak("Hello there. How are you? I am well.", "voice.wav", "three.wav", *common) == 0
    assert seconds("three.wav") > seconds("one.wav")
    assert seconds("three.wav") <= 3 * 6 / 75 + 1e-6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("həloʊ", "nowhere.wav"), "nowhere.wav: no such audio file"),
        (("həloʊ", "noise.wav"), "noise.wav: not a readable audio file"),
        (("",), "the text is empty"),
        (("  \n ",), "the text is empty"),
        (("həloʊ", "inference.language=en-uss"), "language 'en-uss' is not known, allowed: .*nearest: en-us"),
        (("həloʊ", "inference.text_language=de"), "text_language=de needs phonemes=false"),
        (("həloʊ", "", "-", "inference.retries=2"), "inference.retries=2: what was heard cannot be said again"),
        (
            ("həloʊ", "inference.retries=2", "inference.beam_width=4"),
            "inference.retries=2 does not go with beam_width=4",
        ),
        (("həloʊ", "noise.safetensors"), "noise.safetensors: no such voice"),
        (
            ("həloʊ", "inference.refine_on_stop=true", "inference.chunk_frames=9"),
            "refine_on_stop=true needs chunk_frames=0",
        ),
        (("həloʊ", "weights=nowhere.safetensors"), "weights=nowhere.safetensors: no such file"),
        (("həloʊ", "weights=noise.wav"), "weights=noise.wav is not a safetensors file"),
        (("həloʊ", "weights=foreign.safetensors"), "weights=foreign.safetensors does not say which model it is"),
        (("həloʊ", "weights=null"), "weights=PATH is needed"),
        (("həloʊ", "inference.top_kk=3"), "inference.top_kk=3: no such setting.*nearest: inference.top_k"),
        (("həloʊ", "inference.top_p=2"), "inference.top_p=2.* is out of range"),
        (("həloʊ", "model=ar\\+nar-llama-8"), "model cannot be set: it comes with the weights file"),
        (("həloʊ", "model.dropout=0"), "model.dropout cannot be set"),
        (("həloʊ", "+tokenizer_path=x"), "tokenizer_path cannot be set"),
        (("həloʊ", "audio_backend=encodec"), "audio_backend cannot be set"),
        (("həloʊ", "codec=encodec"), "codec cannot be set"),
        (("həloʊ", "--loud"), "--loud: no such option"),
        (("Hello", "there", "my", "friend"), "too many files .*quote the text"),
        (("həloʊ", "voice.wav", "out.mp3"), "out.mp3 cannot be written, allowed: a file that ends in .wav"),
        (("həloʊ", "voice.wav", "voice.wav"), "voice.wav is the prompt"),
        (("həloʊ", "voice.wav", "folder.wav"), "folder.wav cannot be written: folder.wav is a folder"),
        (("həloʊ", "voice.wav", "noise.wav/out.wav"), "noise.wav/out.wav cannot be written: .*noise.wav is no folder"),
        (("həloʊ", "voice.wav", "a" * 300 + ".wav"), ".wav: File name too long"),
        (("həloʊ", "nan.wav"), "nan.wav: the audio holds samples that are not finite numbers"),
        (("həloʊ", "short.wav"), "short.wav: the audio is too short: 1 samples, less than one code frame"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(
    speak: Speak, weights: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    Path("noise.wav").write_bytes(b"no sound at all")
    Path("folder.wav").mkdir()
    soundfile.write("nan.wav", np.full(24_000, np.nan), 24_000, subtype="FLOAT")
    soundfile.write("short.wav", np.zeros(1), 24_000)
    save_file({}, "foreign.safetensors")
    before = sorted(Path().iterdir())
    given = () if any(a.startswith("weights=") for a in arguments) else (f"weights={weights}",)
    assert speak(*arguments, *given, *PHONEMES) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 1 and not said.out
    assert_matches(said.err, sentence)
    assert sorted(Path().iterdir()) == before


def assert_matches(said: str, sentence: str) -> None:
    __tracebackhide__ = True
    place = 0
    for part in sentence.split(".*"):
        place = said.find(part, place)
        assert place >= 0, f"{part!r} is not in {said!r}"


def test_an_existing_file_with_an_equals_sign_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("take=2.wav").touch()
    found = parse(["Hi", "take=2.wav", "out.wav", "seed=3"])
    assert (found.prompt, found.out, found.overrides) == ("take=2.wav", "out.wav", ["seed=3"])


def test_the_command_line_of_a_user(weights: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vall_e", "həloʊ", "", "out.wav", f"weights={weights}", *PHONEMES]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("out.wav: "), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


@pytest.mark.parametrize("chunk", ["0", "4"])
def test_speech_is_piped_as_it_is_said(weights: str, tmp_path: Path, chunk: str) -> None:
    """The stream that has no length holds the samples of the file."""
    settings = (f"weights={weights}", f"inference.chunk_frames={chunk}", "inference.chunk_lookahead=1", *PHONEMES)
    written = forked.run(["-m", "vall_e", "həloʊ", "", "out.wav", *settings], tmp_path, environment())
    assert written.returncode == 0, written.stderr
    command = [sys.executable, "-m", "vall_e", "həloʊ", "", "-", *settings]
    heard = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=True)
    piped = heard.stdout
    assert piped[:4] == b"RIFF" and piped[36:40] == b"data"
    expected = soundfile.read(tmp_path / "out.wav", dtype="int16")[0]
    assert np.abs(np.frombuffer(piped[44:], "<i2").astype(int) - expected).max() <= 1
    assert b"the first sound after" in heard.stderr


def test_a_voice_that_is_kept_speaks_as_its_recording(
    speak: Speak, weights: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["vall_e.voice", "voice.wav", "me.safetensors", "inference.input_prompt_length=0.5"]
    )
    keep_voice()
    assert capsys.readouterr().out == "me.safetensors: 0.51 s of voice.wav, codec builtin\n"
    for prompt, out in (("voice.wav", "a.wav"), ("me.safetensors", "b.wav")):
        assert speak("həloʊ", prompt, out, f"weights={weights}", "inference.input_prompt_length=0.5", *PHONEMES) == 0
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["seed=1"], "a recording is needed"),
        (["a.wav", "b.safetensors", "c"], "a recording is needed"),
        (["voice.wav", "me.wav"], "me.wav cannot be written, allowed: a file that ends in .safetensors"),
        (["nowhere.wav"], "nowhere.wav: no such audio file"),
        (["me.safetensors"], "me.safetensors is no recording"),
        (["voice.wav", "voice.wav/me.safetensors"], "voice.wav/me.safetensors cannot be written: "),
        (["nan.wav"], "nan.wav: the audio holds samples that are not finite numbers"),
        (["voice.wav", "weights.safetensors"], "weights.safetensors is no voice and would be replaced"),
    ],
)
def test_what_is_no_voice_is_told(
    speak: Speak,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    save_file({}, "weights.safetensors")
    soundfile.write("nan.wav", np.full(24_000, np.nan), 24_000, subtype="FLOAT")
    monkeypatch.setattr(sys, "argv", ["vall_e.voice", *arguments])
    with pytest.raises(SystemExit) as end:
        keep_voice()
    assert end.value.code == 2 and sentence in capsys.readouterr().err


def test_a_recording_is_written_down(speak: Speak, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = (f"weights={weights}", "inference.task=stt", "inference.max_duration=9")
    assert speak("voice.wav", *settings) == 0
    first = capsys.readouterr().out
    assert first.strip() and len(first.strip()) <= 40
    assert speak("voice.wav", *settings) == 0 and capsys.readouterr().out == first
    assert speak("voice.wav", "voice.wav", *settings) == 2
    assert "takes a recording alone, not voice.wav" in capsys.readouterr().err


def test_help_is_shown_without_a_text(speak: Speak, capsys: pytest.CaptureFixture[str]) -> None:
    assert speak() == 0
    assert "python -m vall_e" in capsys.readouterr().out
    assert speak("--cfg", "job", "seed=17") == 0
    assert "seed: 17" in capsys.readouterr().out
