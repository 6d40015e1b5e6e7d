"""Corrupt and hostile corpora: each bad thing is named and left out, and every good recording arrives."""

from __future__ import annotations

import re
from pathlib import Path

from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.prepare import prepare
from vall_e.data.recipes.corpus_entries import read_corpus
from vall_e.data.store.store import Store

from .hostile import make_hostile
from .tones import EnergyCodec


def test_two_hundred_hostile_inputs_are_named_and_the_good_ones_arrive(tmp_path: Path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    bad, good = make_hostile(folder)
    assert bad > 200
    cfg = Config(
        dataset=DatasetConfig(source=str(folder), hdf5_name=str(tmp_path / "s.h5")),
        preparation=PreparationConfig(duration_range=[0.0, 60.0]),
    )
    report = prepare(cfg, EnergyCodec())
    with Store(report.path) as store:
        arrived = [store.utterance(row) for row in range(len(store))]
    assert {one.id for one in arrived} == set(good)
    assert all(len(one.codes) == 15 for one in arrived)
    assert len(report.dropped) == bad
    assert all(
        re.fullmatch(r"g/s/.+|meta\.jsonl, line \d+", name, re.DOTALL) and reason for name, reason in report.dropped
    )
    reasons = "\n".join(reason for _, reason in report.dropped)
    for said in ("is cut short", "not finite", "40 channels", "10000000 samples a second", "leads out of the folder"):
        assert said in reasons
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "s.h5", "s.h5.work", "s.report.json"]


def test_hostile_tables_are_named_line_by_line(tmp_path: Path):
    rows = [
        b"path,text,speaker",
        b"good0.wav,One.,s",
        b"../../etc/passwd,Two.,s",
        b"/etc/passwd,Three.,s",
        b'"unclosed.wav,Four.,s',
        b"nul\x00.wav,Five.,s",
        b"latin\xe9.wav,Six.,s",
        b"huge.wav," + b"x" * 200_000 + b",s",
        b'quoted.wav,"' + b"x" * 200_000 + b'",s',
        b"many.wav" + b"," * 1_000,
        b",no path,s",
        b"good1.wav,Seven.,s",
    ]
    (tmp_path / "data.csv").write_bytes(b"\r\n".join(rows))
    found = read_corpus(tmp_path, DatasetConfig(), PreparationConfig(recipe="table"))
    assert [Path(entry.id).name for entry in found.entries] == ["good0", "good1"]
    assert [one.id for one in found.rejected] == [f"data.csv, line {n}" for n in range(3, 12)]
