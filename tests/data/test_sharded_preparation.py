"""Jobs that share the preparation of one dataset, as Hydra starts them in turn and as processes side by side."""

from __future__ import annotations

import json
import logging
import multiprocessing
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import vall_e.prepare
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline import judgement
from vall_e.data.pipeline.report import report_path
from vall_e.data.prepare import prepare
from vall_e.data.recipes import folder
from vall_e.data.recipes.share import Share
from vall_e.data.store.store import Store

from .heard import bursts, record
from .tones import EnergyCodec, make_source, write_manifest

pytest.importorskip("phonemizer", reason="the extra espeak is not installed")


def rows(store: Path) -> list[tuple[str, list[list[int]]]]:
    with Store(store) as opened:
        found = [opened.utterance(row) for row in range(len(opened))]
    return [(one.id, one.codes.tolist()) for one in found]


def settings(source: Path, store: Path, shard: int = 0, shards: int = 1) -> Config:
    return Config(
        dataset=DatasetConfig(source=str(source), hdf5_name=str(store)),
        preparation=PreparationConfig(shard=shard, shards=shards),
    )


@pytest.mark.parametrize("shards", [2, 5, 20])
def test_jobs_side_by_side_make_the_dataset_of_one(tmp_path: Path, shards: int):
    make_source(tmp_path / "c")
    prepare(settings(tmp_path / "c", tmp_path / "one.h5"), EnergyCodec())
    # Threads of this process are in no state to be forked.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["vall_e.data.prepare", "tests.data.tones"])
    jobs = [
        fresh.Process(target=prepare, args=(settings(tmp_path / "c", tmp_path / "s.h5", n, shards), EnergyCodec()))
        for n in range(shards)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(600)
    assert [job.exitcode for job in jobs] == [0] * shards
    assert rows(tmp_path / "s.h5") == rows(tmp_path / "one.h5")
    assert {path.name for path in (tmp_path / "s.h5.work").iterdir()} == {"content", "judged"}


def test_the_log_says_how_another_recipe_is_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    make_source(tmp_path / "c", speakers=1)
    with caplog.at_level(logging.INFO):
        prepare(settings(tmp_path / "c", tmp_path / "s.h5"), EnergyCodec())
    assert "read by the recipe manifest; preparation.recipe=NAME chooses another" in caplog.text


def everything(store: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a dataset and its report, but for how much the last run had to make and where."""
    told = json.loads(report_path(store).read_text())
    return store.read_bytes(), {**told, "encoded": 0, "path": ""}


@pytest.mark.parametrize("shards", [2, 7])
def test_a_corpus_with_flaws_is_the_same_however_many_jobs_prepare_it(tmp_path: Path, shards: int):
    lines = make_source(tmp_path / "c", speakers=2, each=8)
    for number in (0, 5):  # recordings that would be given the id of others
        (tmp_path / "c/again").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "c" / lines[number]["path"], tmp_path / f"c/again/{number}.wav")
        lines.insert(number, {**lines[number], "path": f"again/{number}.wav"})
    (tmp_path / "c" / lines[3]["path"]).write_bytes(b"RIFF")
    shutil.copy(tmp_path / "c" / lines[7]["path"], tmp_path / "c/s0/unlisted.wav")
    lines[9]["speaker"] = "a/b/c"
    lines[11]["text"] = "..."
    write_manifest(tmp_path / "c", [*lines, lines[1]])
    prepare(settings(tmp_path / "c", tmp_path / "one/s.h5"), EnergyCodec())
    for shard in range(shards):
        prepare(settings(tmp_path / "c", tmp_path / "several/s.h5", shard, shards), EnergyCodec(), part_size=3)
    assert everything(tmp_path / "several/s.h5") == everything(tmp_path / "one/s.h5")
    told = everything(tmp_path / "one/s.h5")[1]
    assert (told["utterances"], told["dropped_in"]) == (15, {"read": 2, "encode": 1, "phonemise": 1})
    assert told["unlisted"] == ["s0/unlisted.wav"]


def test_each_job_reads_its_own_share_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(12):
        record(tmp_path / f"c/anna/{number}.wav", bursts(0.5))
        (tmp_path / f"c/anna/{number}.txt").write_text("Given.")
    read: list[Path] = []
    whole = folder.read_short
    monkeypatch.setattr(folder, "read_short", lambda path: (read.append(path), whole(path))[1])
    for shard in range(3):
        before = len(read)
        prepare(settings(tmp_path / "c", tmp_path / "s.h5", shard, 3), EnergyCodec())
        assert 0 < len(read) - before < 12
    assert len(read) == len(set(read)) == 12
    assert len(rows(tmp_path / "s.h5")) == 12


def called_alike(root: Path) -> None:
    """A folder for each recording, all of which are called alike; one transcript is unreadable, one says nothing."""
    for number in range(14):
        record(root / f"anna/{number:02d}/audio.wav", bursts(0.5 + 0.05 * number))
        (root / f"anna/{number:02d}/audio.txt").write_text(f"Sentence {number}.")
    for path in (root / "anna").iterdir():
        shutil.copytree(path, root / "again" / path.name)
    (root / "anna/00/audio.txt").write_bytes(b"\xff")
    (root / "anna/05/audio.txt").write_text("x" * 6_000)
    (root / "again/00/audio.txt").write_text("...")


@pytest.mark.parametrize("getter", ["{-3}/{-2}", "{-4}/{-3}", "all/one"])
def test_recordings_that_are_called_alike_spread_over_the_jobs(tmp_path: Path, getter: str):
    called_alike(tmp_path / "c")

    def cfg(store: str, shard: int, shards: int) -> Config:
        found = settings(tmp_path / "c", tmp_path / store / "s.h5", shard, shards)
        found.dataset.speaker_name_getter = getter
        return found

    prepare(cfg("one", 0, 1), EnergyCodec())
    for shards in (2, 7):
        codecs = [EnergyCodec() for _ in range(shards)]
        for shard in reversed(range(shards)):
            prepare(cfg(f"{shards}", shard, shards), codecs[shard])
        assert everything(tmp_path / f"{shards}/s.h5") == everything(tmp_path / "one/s.h5")
        assert sum(codec.encoded for codec in codecs) == 25
        assert all(0 < codec.encoded < 25 for codec in codecs)


def test_what_jobs_judged_of_shares_by_another_rule_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    called_alike(tmp_path / "c")
    prepare(settings(tmp_path / "c", tmp_path / "one/s.h5"), EnergyCodec())
    codec, several = EnergyCodec(), tmp_path / "several/s.h5"
    with monkeypatch.context() as earlier:
        earlier.setattr(judgement, "RULE", 1)
        earlier.setattr(Share, "takes", lambda share, path: str(path).startswith("anna") == (share.number == 0))
        assert prepare(settings(tmp_path / "c", several, 0, 2), codec).missing
    assert codec.encoded
    assert prepare(settings(tmp_path / "c", several, 1, 2), codec).missing
    assert not prepare(settings(tmp_path / "c", several, 0, 2), codec).missing
    assert codec.encoded == 25  # nothing twice
    assert everything(several) == everything(tmp_path / "one/s.h5")


@pytest.mark.parametrize("grows", [True, False])
def test_what_jobs_judged_of_an_earlier_state_of_the_corpus_does_not_last(tmp_path: Path, grows: bool):
    lines = make_source(tmp_path / "c", speakers=2, each=6)
    for shard in (0, 2):
        prepare(settings(tmp_path / "c", tmp_path / "s.h5", shard, 3), EnergyCodec())
    for line in lines:
        line["text"] = "Another sentence."
    write_manifest(tmp_path / "c", lines[:-1] if grows else lines)
    prepare(settings(tmp_path / "c", tmp_path / "one.h5"), EnergyCodec())
    for shard in range(3):
        prepare(settings(tmp_path / "c", tmp_path / "s.h5", shard, 3), EnergyCodec())
    assert rows(tmp_path / "s.h5") == rows(tmp_path / "one.h5")
    with Store(tmp_path / "s.h5") as store:
        assert {store.text("text", row) for row in range(len(store))} == {"Another sentence."}


def test_a_multirun_over_shards_makes_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_source(tmp_path / "c", speakers=1)
    monkeypatch.chdir(tmp_path)
    told = ["dataset.source=c", "dataset.hdf5_name=s.h5", "device=cpu", "hydra.sweep.dir=runs"]
    shards = ["-m", "preparation.shard=range(3)", "preparation.shards=3"]
    monkeypatch.setattr(sys, "argv", ["vall-e-prepare", *shards, *told])
    try:
        vall_e.prepare.main()
    finally:
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
    assert [name for name, _ in rows(tmp_path / "s.h5")] == [f"tone/s0/{n}" for n in range(4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "runs", "s.h5", "s.h5.work", "s.report.json"]


def test_a_dataset_in_several_files_is_the_same_and_only_changed_files_are_written(tmp_path: Path):
    lines = make_source(tmp_path / "c")
    cfg = settings(tmp_path / "c", tmp_path / "s.h5")
    cfg.preparation.utterances_per_file = 5
    prepare(settings(tmp_path / "c", tmp_path / "one.h5"), EnergyCodec())
    prepare(cfg, EnergyCodec())
    files = sorted((tmp_path / "s.h5.shards").iterdir())
    assert len(files) == 3
    assert rows(tmp_path / "s.h5") == rows(tmp_path / "one.h5")

    before = {path: path.stat().st_mtime_ns for path in files}
    write_manifest(tmp_path / "c", lines[:-1])
    prepare(cfg, EnergyCodec())
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "s.h5.shards").iterdir()}
    assert len(after) == 3 and len(before.items() & after.items()) == 2
    assert rows(tmp_path / "s.h5") == rows(tmp_path / "one.h5")[:-1]


def test_another_number_of_utterances_a_file_packs_anew_and_encodes_nothing(tmp_path: Path):
    make_source(tmp_path / "c")
    cfg = settings(tmp_path / "c", tmp_path / "s.h5")
    prepare(settings(tmp_path / "c", tmp_path / "one.h5"), EnergyCodec())
    shard_files = tmp_path / "s.h5.shards"
    for each, files in ((5, 3), (4, 3), (12, 1), (0, 0), (7, 2), (0, 0)):
        cfg.preparation.utterances_per_file = each
        codec = EnergyCodec()
        assert prepare(cfg, codec).utterances == 12
        assert codec.encoded == (12 if (each, files) == (5, 3) else 0)
        assert len(list(shard_files.glob("*"))) == files
        assert rows(tmp_path / "s.h5") == rows(tmp_path / "one.h5")
        with Store(tmp_path / "s.h5") as store:
            assert len(store.info.shards) == files
    assert not shard_files.exists()
