"""prepare, train, evaluate and speak, each as a user starts it, in a folder far from this checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import vall_e

from .small_run import MODEL, environment, rows

pytest.importorskip("phonemizer", reason="the extra espeak is not installed")

SAMPLE = Path(vall_e.__file__).parent / "sample"

TINY = (
    "device=cpu",
    "model.size={dim:32,heads:2,layers:2}",
    "hyperparameters.batch_size=2",
    "trainer.iterations=2",
    "trainer.tensorboard=false",
    "evaluation.size=1",
    "evaluation.kwargs.max_duration=8",
    "hydra.run.dir=runs/mine",
)
DATA = ("device=cpu", "dataset.source=recordings", "dataset.hdf5_name=data/mine.h5")


def app(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", name, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a few of the recordings that ship with vall_e."""
    folder = tmp_path_factory.mktemp("user")
    entries = [json.loads(line) for line in (SAMPLE / "meta.jsonl").read_text(encoding="utf-8").splitlines()]
    bella = [entry for entry in entries if entry["speaker"] == "kokoro/af_bella"]
    chosen = bella[:3] + [entry for entry in bella if entry["split"] == "validation"]
    for entry in chosen:
        (folder / "recordings" / entry["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLE / entry["path"], folder / "recordings" / entry["path"])
    lines = "".join(json.dumps(entry) + "\n" for entry in chosen)
    (folder / "recordings/meta.jsonl").write_text(lines, encoding="utf-8")
    shutil.copyfile(SAMPLE / bella[0]["path"], folder / "voice.ogg")
    return folder


def test_from_recordings_to_speech(folder: Path) -> None:
    prepared = app("vall_e.prepare", *DATA, folder=folder)
    assert "4 utterances" in prepared.stdout + prepared.stderr and (folder / "data/mine.h5").is_file()

    app("vall_e.train", *TINY, *DATA, "evaluation.frequency=2", folder=folder)
    run = folder / "runs/mine"
    weights = run / "ckpt" / MODEL / "fp32.safetensors"
    assert weights.is_file() and (run / "metrics.png").is_file()
    assert [row["step"] for row in rows(run)] == [1, 2, 2] and "val.mel_stft" in rows(run)[-1]

    again = app("vall_e.train", *TINY, *DATA, "evaluation.frequency=2", folder=folder)
    assert "Nothing is left to do: trainer.iterations=2 is reached" in again.stdout + again.stderr
    assert len(rows(run)) == 3

    settings = ("evaluation.size=1", "evaluation.kwargs.max_duration=8", "hydra.run.dir=runs/heard")
    app("vall_e.evaluate", *DATA, *settings, f"weights={weights}", folder=folder)
    assert (folder / "runs/heard/index.html").is_file()

    said = ("Hello there! Is 2 + 2 = 4?", "voice.ogg", "new/hello.wav")
    told = app("vall_e", *said, "device=cpu", f"weights={weights}", "inference.max_duration=8", folder=folder)
    wave = soundfile.info(folder / "new/hello.wav")
    assert wave.samplerate == 24_000 and wave.frames <= 2 * 8 * 320
    assert told.stdout.strip() == f"new/hello.wav: {wave.frames / 24_000:.2f} s"
    assert sorted(path.name for path in folder.iterdir()) == ["data", "new", "recordings", "runs", "voice.ogg"]
