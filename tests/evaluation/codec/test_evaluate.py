"""Codecs are measured from a folder of speech to tables, pictures and sounds."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS
from vall_e.config.codec_evaluation import CodecEvaluationConfig
from vall_e.errors import ConfigError, MissingExtra
from vall_e.evaluation.codec.evaluate import evaluate_codecs
from vall_e.evaluation.codec.metrics.choosing import PACKAGES, chosen_names
from vall_e.evaluation.codec.spectrograms import spectrum

from .conftest import SAMPLE

CONFIG = CodecEvaluationConfig(
    audio=str(SAMPLE),
    speakers=["af_nova", "bm_daniel"],
    limit=3,
    codecs=["builtin"],
    levels=[1, 8],
    metrics=["mel_stft", "si_sdr", "codebook_use"],
    codebook_limit=2,
    pictures=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run with all metrics that need no extra has left."""
    folder = tmp_path_factory.mktemp("codecs")
    evaluate_codecs(replace(CONFIG, metrics=[*(CONFIG.metrics or ()), "speed"]), folder)
    return folder


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_the_originals_come_first_and_more_levels_are_closer_to_them(folder: Path) -> None:
    rows = results(folder)["rows"]
    assert [(row["codec"], row["levels"], row["kbit_per_second"]) for row in rows] == [
        ("original", None, None),
        ("builtin", 1, 0.75),
        ("builtin", 8, 6.0),
    ]
    original, one, eight = (row["means"]["mel_stft"] for row in rows)
    assert original["mean"] == 0 < eight["mean"] < one["mean"]
    assert one["low"] < one["mean"] < one["high"]
    assert rows[0]["means"]["si_sdr"] is None and rows[2]["means"]["si_sdr"]["utterances"] == 3


def test_means_are_those_of_the_values_also_by_speaker(folder: Path) -> None:
    found = results(folder)
    speakers = {one["id"]: one["speaker"] for one in found["utterances"]}
    row = found["rows"][1]
    assert set(row["values"]) == set(speakers)
    for speaker in ("kokoro/af_nova", "kokoro/bm_daniel"):
        values = [row["values"][one]["mel_stft"] for one in speakers if speakers[one] == speaker]
        assert row["by_speaker"][speaker]["mel_stft"]["mean"] == pytest.approx(np.mean(values))
    assert row["by_group"]["kokoro"] == row["means"]


def test_codebooks_and_speed_are_measured(folder: Path) -> None:
    found = results(folder)
    use, speed = found["codebook_use"]["builtin"], found["speed"]["builtin"]
    assert use["frames"] > 200 and len(use["entropy_bits"]) == 8
    assert all(0 < bits < np.log2(use["frames"]) for bits in use["entropy_bits"])
    for way in ("encode", "decode"):
        assert speed[way]["real_time_factor"] > 0
        assert 50e6 < speed[way]["idle_bytes"] <= speed[way]["peak_bytes"] < 8e9


def test_there_are_a_picture_a_table_and_sounds(folder: Path) -> None:
    assert (folder / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    head, rule, first = (folder / "results.md").read_text().splitlines()[2:5]
    assert head == "| codec | levels | kbit/s | mel-STFT ↓ | SI-SDR (dB) ↑ |"
    assert rule == "| --- | ---: | ---: | ---: | ---: |"
    assert first == "| original | - | - | 0.000 ± 0.000 | - |"
    for row in results(folder)["rows"]:
        for file in row["audio"].values():
            info = soundfile.info(folder / file)
            assert (info.subtype, info.samplerate) == ("PCM_16", 24_000) and info.duration > 1


def test_a_second_run_measures_nothing_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal, before = folder / "measured" / "scores.jsonl", results(folder)
    kept = journal.read_bytes()
    caplog.set_level(logging.INFO)
    evaluate_codecs(CONFIG, folder)
    assert journal.read_bytes() == kept
    assert results(folder)["rows"] == before["rows"]
    assert "builtin        8       6  0." in caplog.text


def test_a_run_that_was_killed_goes_on(folder: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(folder / "measured", cut / "measured")
    journal = cut / "measured" / "scores.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2])
    evaluate_codecs(CONFIG, cut)
    assert results(cut)["rows"] == results(folder)["rows"]


def test_other_weights_are_measured_anew(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    content = bytearray(SHIPPED_WEIGHTS.read_bytes())
    content[-64:] = bytes(64)
    weights.write_bytes(content)
    shutil.copytree(folder / "measured", tmp_path / "measured")
    cfg = replace(CONFIG, codecs=["builtin", str(weights)], levels=[8], metrics=["mel_stft"], pictures=0)
    evaluate_codecs(cfg, tmp_path)
    _, shipped, mine = results(tmp_path)["rows"]
    assert mine["codec"] == str(weights) and mine["digest"] != shipped["digest"]
    assert shipped["means"] == {"mel_stft": results(folder)["rows"][2]["means"]["mel_stft"]}
    assert not set(mine["audio"].values()) & set(shipped["audio"].values())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"audio": ""}, "audio= is not set"),
        ({"levels": [1, 9]}, r"levels=\[1, 9\] asks for 9, but the codec builtin has 8"),
        ({"codecs": ["none.safetensors"]}, r"codecs=\[none.safetensors\]: no such file or folder"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        evaluate_codecs(replace(CONFIG, **changes), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"levels": [2, 2]}, "levels=[2, 2] names 2 twice"),
        ({"metrics": []}, "metrics=[] leaves nothing to measure"),
        ({"device": "gpu"}, "device='gpu' is not allowed, allowed: auto, cpu, cuda, cuda:N"),
    ],
)
def test_settings_at_odds_are_told(changes: dict, told: str) -> None:
    assert list(replace(CONFIG, **changes).problems()) == [told]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra."""
    for package in {package for needed in PACKAGES.values() for package in needed}:
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.usefixtures("bare")
def test_a_metric_that_is_asked_for_and_not_installed_names_the_extra() -> None:
    with pytest.raises(MissingExtra, match=r"metrics=\[stoi\] needs the package 'pystoi': .*codec-metrics"):
        chosen_names(replace(CONFIG, metrics=["mel_stft", "STOI"]))


@pytest.mark.usefixtures("bare")
def test_what_is_not_installed_is_left_out_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert chosen_names(replace(CONFIG, metrics=None)) == ["mel_stft", "si_sdr", "codebook_use", "speed"]
    (line,) = caplog.messages
    assert "pesq, stoi, dnsmos, speaker_similarity, wer (pip install 'vall_e[codec-metrics]')" in line


def test_a_tone_stands_at_its_frequency() -> None:
    tone = np.sin(2 * np.pi * 3_000 * np.arange(24_000) / 24_000).astype(np.float32)
    picture = spectrum(tone, 24_000)
    assert picture[:, 60].argmax() / (len(picture) - 1) * 12_000 == pytest.approx(3_000, abs=20)
