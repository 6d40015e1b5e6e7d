"""Preparation: from speech and text to a store, through kills, gaps and changes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from vall_e.data.pipeline import contents
from vall_e.data.prepare import prepare
from vall_e.data.store.store import Store
from vall_e.errors import DataError

from .tones import EnergyCodec, config, make_source, write_manifest


class FailingCodec(EnergyCodec):
    """Works for a number of calls and then does what it is told."""

    def __init__(self, calls: int, kill: bool) -> None:
        super().__init__()
        self.calls, self.kill = calls, kill

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        if self.encoded == self.calls:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("out of memory")
        return super().encode(wave)


def assert_same_store(one: Path, other: Path) -> None:
    with h5py.File(one) as a, h5py.File(other) as b:
        assert dict(a.attrs) == dict(b.attrs)
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_array_equal(a[name][:], b[name][:], err_msg=name)


def test_a_store_holds_every_line_of_the_manifest(tmp_path: Path):
    lines = make_source(tmp_path)
    report = prepare(config(tmp_path, tmp_path / "out/s.h5"), EnergyCodec())
    assert (report.utterances, report.encoded, report.dropped) == (12, 12, [])
    assert (report.speakers, report.languages) == (("tone/s0", "tone/s1", "tone/s2"), ("en-us",))
    assert report.hours == pytest.approx(12 * 1.5 / 3600, rel=0.1)
    with Store(report.path) as store:
        utterances = [store.utterance(row) for row in range(12)]
    assert [(u.speaker, u.text, u.split) for u in utterances] == [(m["speaker"], m["text"], m["split"]) for m in lines]
    assert len(utterances[0].codes) == 50
    assert np.all(np.diff(utterances[0].codes[:, 0]) >= -1)
    assert all(u.phonemes and u.phonemes != u.text for u in utterances)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"s.h5", "s.report.json", "s.h5.work"}


@pytest.mark.parametrize("calls", [0, 1, 4, 7, 11])
def test_a_killed_preparation_goes_on_and_gives_the_same_store(tmp_path: Path, calls: int):
    make_source(tmp_path)
    prepare(config(tmp_path, tmp_path / "whole.h5"), EnergyCodec())
    cfg = config(tmp_path, tmp_path / "s.h5")
    killed = multiprocessing.get_context("fork").Process(
        target=prepare, args=(cfg, FailingCodec(calls, kill=True)), kwargs={"part_size": 2}, daemon=True
    )
    killed.start()
    killed.join(600)
    assert killed.exitcode == -signal.SIGKILL
    assert not (tmp_path / "s.h5").exists()

    codec = EnergyCodec()
    report = prepare(cfg, codec, part_size=3)
    assert codec.encoded == report.encoded == 12 - calls // 2 * 2
    assert_same_store(tmp_path / "s.h5", tmp_path / "whole.h5")
    assert [path.name for path in (tmp_path / "s.h5.work").iterdir()] == ["content"]


def test_an_error_of_the_codec_keeps_what_is_finished(tmp_path: Path):
    make_source(tmp_path)
    cfg = config(tmp_path, tmp_path / "s.h5")
    with pytest.raises(RuntimeError, match="out of memory"):
        prepare(cfg, FailingCodec(5, kill=False), part_size=2)
    assert prepare(cfg, EnergyCodec()).encoded == 8


def test_a_damaged_part_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    make_source(tmp_path)
    prepare(config(tmp_path, tmp_path / "whole.h5"), EnergyCodec())
    cfg = config(tmp_path, tmp_path / "s.h5")
    with pytest.raises(RuntimeError):
        prepare(cfg, FailingCodec(5, kill=False), part_size=2)
    part = tmp_path / "s.h5.work/parts/00000-of-00001-000000.h5"
    part.write_bytes(part.read_bytes()[:1000])
    assert prepare(cfg, EnergyCodec()).encoded == 10
    assert str(part) in caplog.text
    assert_same_store(tmp_path / "s.h5", tmp_path / "whole.h5")


def test_a_second_preparation_does_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    make_source(tmp_path)
    cfg = config(tmp_path, tmp_path / "s.h5")
    first = prepare(cfg, EnergyCodec())
    before = first.path.stat()
    codec = EnergyCodec()
    with caplog.at_level("INFO"):
        report = prepare(cfg, codec)
    assert (codec.encoded, report.encoded, report.utterances) == (0, 0, 12)
    assert "nothing to do" in caplog.text
    assert (first.path.stat().st_mtime_ns, first.path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_only_changed_lines_are_made_again_and_removed_lines_leave(tmp_path: Path):
    lines = make_source(tmp_path)
    cfg = config(tmp_path, tmp_path / "s.h5")
    prepare(cfg, EnergyCodec())
    lines[2]["text"] = "Another sentence."
    write_manifest(tmp_path, lines[1:])
    report = prepare(cfg, EnergyCodec())
    assert (report.encoded, report.utterances) == (1, 11)
    assert Store(report.path).utterance(1).text == "Another sentence."


def test_a_recording_of_the_same_size_that_was_made_anew_is_encoded_again(tmp_path: Path):
    lines = make_source(tmp_path)
    cfg = config(tmp_path, tmp_path / "s.h5")
    prepare(cfg, EnergyCodec())
    recording = tmp_path / lines[2]["path"]
    content = bytearray(recording.read_bytes())
    content[-4_000:] = bytes(4_000)
    recording.write_bytes(content)
    report = prepare(cfg, EnergyCodec())
    assert (report.encoded, report.utterances) == (1, 12)
    with Store(report.path) as store:
        assert not store.codes(2)[-12:, 0].any()


def test_a_recording_that_was_touched_or_copied_is_not_encoded_again(tmp_path: Path):
    lines = make_source(tmp_path / "c")
    cfg = config(tmp_path / "c", tmp_path / "s.h5")
    prepare(cfg, EnergyCodec())
    os.utime(tmp_path / "c" / lines[2]["path"], ns=(1, 1))
    (tmp_path / "c").rename(tmp_path / "moved")
    report = prepare(config(tmp_path / "moved", tmp_path / "s.h5"), EnergyCodec())
    assert (report.encoded, report.utterances) == (0, 12)


def test_contents_are_not_read_again_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = make_source(tmp_path)
    cfg = config(tmp_path, tmp_path / "s.h5")
    prepare(cfg, EnergyCodec())
    read = list[str]()
    monkeypatch.setattr(contents, "_digest", lambda file: read.append(file.name) or "0" * 24)
    prepare(cfg, EnergyCodec())
    assert not read
    os.utime(tmp_path / lines[1]["path"], ns=(1, 1))
    prepare(cfg, EnergyCodec())
    assert read == ["1.wav"]


def test_another_codec_makes_everything_again(tmp_path: Path):
    make_source(tmp_path)
    cfg = config(tmp_path, tmp_path / "s.h5")
    prepare(cfg, EnergyCodec())
    report = prepare(cfg, EnergyCodec(digest="f" * 16))
    assert report.encoded == report.utterances == 12
    assert Store(report.path).info.codec.digest == "f" * 16


def test_unusable_audio_and_text_are_left_out_and_named(tmp_path: Path):
    lines = make_source(tmp_path)
    (tmp_path / lines[0]["path"]).unlink()
    (tmp_path / lines[3]["path"]).write_bytes(b"RIFF but no audio")
    (tmp_path / lines[5]["path"]).write_bytes((tmp_path / lines[5]["path"]).read_bytes()[:60])
    lines[7]["text"] = "..."
    write_manifest(tmp_path, lines)
    cfg = config(tmp_path, tmp_path / "s.h5")
    report = prepare(cfg, EnergyCodec())
    assert (report.utterances, report.encoded) == (8, 8)
    assert [id_ for id_, _ in report.dropped] == ["tone/s0/0", "tone/s0/3", "tone/s1/1", "tone/s1/3"]
    assert lines[0]["path"] in report.dropped[0][1]
    assert all(reason for _, reason in report.dropped)
    assert [id_ for id_, _ in prepare(cfg, EnergyCodec()).dropped] == [id_ for id_, _ in report.dropped]


def test_mended_audio_is_taken_in_by_the_next_run(tmp_path: Path):
    lines = make_source(tmp_path)
    audio = (tmp_path / lines[4]["path"]).read_bytes()
    (tmp_path / lines[4]["path"]).unlink()
    cfg = config(tmp_path, tmp_path / "s.h5")
    prepare(cfg, EnergyCodec())
    (tmp_path / lines[4]["path"]).write_bytes(audio)
    report = prepare(cfg, EnergyCodec())
    assert (report.encoded, report.utterances, report.dropped) == (1, 12, [])
    prepare(config(tmp_path, tmp_path / "whole.h5"), EnergyCodec())
    assert_same_store(tmp_path / "s.h5", tmp_path / "whole.h5")


def test_a_source_without_any_usable_utterance_is_an_error(tmp_path: Path):
    lines = make_source(tmp_path)
    for line in lines:
        (tmp_path / line["path"]).unlink()
    with pytest.raises(DataError, match=r"none of 12 utterances can be used; the first, tone/s0/0: .*s0/0\.wav"):
        prepare(config(tmp_path, tmp_path / "s.h5"), EnergyCodec())
    assert not (tmp_path / "s.h5").exists()


def test_a_foreign_file_is_not_overwritten(tmp_path: Path):
    make_source(tmp_path)
    (tmp_path / "s.h5").write_text("my thesis")
    with pytest.raises(DataError, match="not an HDF5 file"):
        prepare(config(tmp_path, tmp_path / "s.h5"), EnergyCodec())
    assert (tmp_path / "s.h5").read_text() == "my thesis"


def test_an_unset_source_is_named(tmp_path: Path):
    cfg = config(tmp_path, tmp_path / "s.h5")
    cfg.dataset.source = None
    with pytest.raises(DataError, match=r"dataset\.source is not set"):
        prepare(cfg, EnergyCodec())


@pytest.mark.parametrize(("name", "why"), [("taken", "taken is a folder"), ("taken/file/s.h5", "file is no folder")])
def test_a_place_that_takes_no_dataset_is_refused_at_once(tmp_path: Path, name: str, why: str):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    cfg = config(tmp_path, tmp_path / name)
    with pytest.raises(DataError, match=f"dataset.hdf5_name=.* cannot be written: .*{why}"):
        prepare(cfg, EnergyCodec())
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["file"]
