"""The steps of preparation: what each makes of recordings, and that none does anything twice."""

from __future__ import annotations

import errno
import fcntl
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vall_e.audio.read import read_audio
from vall_e.audio.stretches import read_stretches
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline import segment, transcribe
from vall_e.data.pipeline.journal import Journal
from vall_e.data.pipeline.silence import speech_span
from vall_e.data.pipeline.whisper import WhisperTranscriber
from vall_e.data.pipeline.workshop import Workshop
from vall_e.data.prepare import prepare
from vall_e.data.store.store import Store
from vall_e.data.utterance import Utterance
from vall_e.errors import AudioError, DataError, MissingExtra
from vall_e.text import open_tokenizer

from .heard import WORDS, BurstTranscriber, bursts, record
from .tones import FRAME_RATE, EnergyCodec, make_source, write_manifest


def settings(source: Path, **preparation: Any) -> Config:
    store = source.parent / "out/s.h5"
    return Config(
        dataset=DatasetConfig(source=str(source), hdf5_name=str(store)),
        preparation=PreparationConfig(**{"transcribe": "bursts", **preparation}),
    )


def utterances(store: Path) -> list[Utterance]:
    with Store(store) as opened:
        return [opened.utterance(row) for row in range(len(opened))]


def seconds(utterance: Utterance) -> float:
    return len(utterance.codes) / FRAME_RATE


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    record(tmp_path / "corpus/anna/short.wav", bursts(0.6, 0.4))
    record(tmp_path / "corpus/anna/long.wav", bursts(1.0, 2.0, 1.5, gap=1.0))
    record(tmp_path / "corpus/anna/silent.wav", bursts())
    (tmp_path / "corpus/anna/given.txt").write_text("Given.")
    record(tmp_path / "corpus/anna/given.wav", bursts(0.5))
    return tmp_path / "corpus"


def test_recordings_without_transcripts_get_them_and_long_ones_are_cut(corpus: Path):
    report = prepare(settings(corpus, slice_over=5.0), EnergyCodec(), transcriber=BurstTranscriber("de"))
    found = {u.id.removeprefix("corpus/anna/"): u for u in utterances(report.path)}
    assert {name: (u.text, u.language) for name, u in found.items()} == {
        "given": ("Given.", "en"),
        "short": (" ".join(WORDS[:2]), "de"),
        "long/00000": (WORDS[0], "de"),
        "long/00001": (WORDS[1], "de"),
        "long/00002": (WORDS[2], "de"),
    }
    lengths = [seconds(found[f"long/0000{n}"]) for n in range(3)]
    assert lengths == pytest.approx([0.05 + 1.0 + 0.5, 0.05 + 2.0 + 0.5, 0.05 + 1.5 + 0.5], abs=0.05)
    assert report.dropped == [("corpus/anna/silent", "no speech was recognised in it")]
    assert report.dropped_in == {"transcribe": 1}


def test_a_piece_is_not_mistaken_for_a_recording_that_is_named_like_it(corpus: Path):
    record(corpus / "anna/long_00000.wav", bursts(0.5))
    report = prepare(settings(corpus, slice_over=5.0), EnergyCodec(), transcriber=BurstTranscriber())
    found = [u.id for u in utterances(report.path)]
    assert len(found) == len(set(found)) == 6
    again = EnergyCodec()
    prepare(settings(corpus, slice_over=5.0), again, transcriber=BurstTranscriber())
    assert again.encoded == 0


def test_without_a_transcriber_what_has_no_transcript_is_left_out(corpus: Path):
    report = prepare(settings(corpus, transcribe=None), EnergyCodec())
    assert [u.text for u in utterances(report.path)] == ["Given."]
    assert len(report.dropped) == 3
    assert all("preparation.transcribe=MODEL" in reason for _, reason in report.dropped)


def test_a_heard_language_that_has_no_phonemes_is_named(corpus: Path):
    report = prepare(settings(corpus), EnergyCodec(), transcriber=BurstTranscriber("nl"))
    assert [u.text for u in utterances(report.path)] == ["Given."]
    assert any("language 'nl' is not known" in reason for _, reason in report.dropped)


def test_transcripts_are_written_anew_where_asked(corpus: Path):
    report = prepare(settings(corpus, transcribe_all=True), EnergyCodec(), transcriber=BurstTranscriber())
    assert "Given." not in [u.text for u in utterances(report.path)]


def test_nothing_is_transcribed_twice_when_a_corpus_grows(corpus: Path):
    transcriber = BurstTranscriber()
    prepare(settings(corpus), EnergyCodec(), transcriber=transcriber)
    assert transcriber.heard == 3
    record(corpus / "anna/new.wav", bursts(0.7))
    codec = EnergyCodec()
    report = prepare(settings(corpus), codec, transcriber=transcriber)
    assert (transcriber.heard, codec.encoded, report.encoded, report.utterances) == (4, 1, 1, 4)


def test_silence_is_cut_off(corpus: Path):
    plain = prepare(settings(corpus, transcribe=None), EnergyCodec())
    assert seconds(utterances(plain.path)[0]) == pytest.approx(1.5, abs=0.03)
    trimmed = prepare(settings(corpus, transcribe=None, trim_silence=True), EnergyCodec())
    (only,) = utterances(trimmed.path)
    assert seconds(only) == pytest.approx(0.05 + 0.5 + 0.15, abs=0.05)
    assert only.codes[:, 0].max() > 300


def test_a_silent_recording_with_a_transcript_is_named(corpus: Path):
    (corpus / "anna/silent.txt").write_text("Nothing.")
    report = prepare(settings(corpus, transcribe=None, trim_silence=True), EnergyCodec())
    assert ("corpus/anna/silent", "it is silent, or holds samples that are not finite numbers") in report.dropped


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_speech_is_found_to_a_fiftieth_of_a_second(rate: int):
    wave = np.zeros(3 * rate, np.float32)
    wave[rate : 2 * rate] = np.sin(np.arange(rate) / 9)
    wave += np.random.default_rng(0).normal(0, 1e-3, len(wave)).astype(np.float32)
    assert speech_span(wave, rate, 40.0) == pytest.approx((0.95, 2.15), abs=0.021)
    assert speech_span(wave * 1e-3, rate, 40.0) == speech_span(wave, rate, 40.0)
    assert speech_span(np.zeros(rate, np.float32), rate, 40.0) is None
    assert speech_span(np.full(rate, np.nan, np.float32), rate, 40.0) is None


def test_utterances_out_of_the_range_of_durations_are_named(tmp_path: Path):
    make_source(tmp_path / "c", speakers=1)
    report = prepare(settings(tmp_path / "c", duration_range=[1.2, 1.8]), EnergyCodec())
    assert [name for name, _ in report.dropped] == ["tone/s0/0", "tone/s0/3"]
    assert "lasts 1.00 s, allowed: 1.2 s at least" in report.dropped[0][1]
    assert "lasts 1.9 s, allowed: 1.8 s" in report.dropped[1][1]


def test_a_narrower_range_of_durations_holds_for_what_is_prepared_already(tmp_path: Path):
    make_source(tmp_path / "c", speakers=1)
    whole = prepare(settings(tmp_path / "c"), EnergyCodec())
    assert whole.utterances == 4
    codec = EnergyCodec()
    report = prepare(settings(tmp_path / "c", duration_range=[1.2, 1.8]), codec)
    assert [name for name, _ in report.dropped] == ["tone/s0/0", "tone/s0/3"]
    assert (codec.encoded, len(utterances(report.path))) == (0, 2)
    assert prepare(settings(tmp_path / "c"), EnergyCodec()).utterances == 4


def test_a_dry_run_foresees_what_is_out_of_the_range_of_durations(tmp_path: Path):
    make_source(tmp_path / "c", speakers=1)
    report = prepare(settings(tmp_path / "c", duration_range=[1.2, 1.8], dry_run=True), EnergyCodec())
    assert [name for name, _ in report.dropped] == ["tone/s0/0", "tone/s0/3"]
    assert report.utterances == 2


@pytest.mark.parametrize("step", [{"transcribe": "bursts"}, {"transcribe": None, "trim_silence": True}])
def test_a_recording_that_could_not_be_read_once_is_read_by_the_next_run(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any]
):
    transcriber, name = BurstTranscriber(), "short" if step["transcribe"] else "given"
    record(corpus / "bert/whole.wav", bursts(0.5))
    (corpus / "bert/whole.txt").write_text("Whole.")

    def failing(read: Callable[..., Any]) -> Callable[..., Any]:
        def read_one(path: Path, *rest: Any, **more: Any) -> Any:
            if path.stem == name:
                raise AudioError(f"{path}: input/output error")
            return read(path, *rest, **more)

        return read_one

    with monkeypatch.context() as patch:
        patch.setattr(transcribe, "read_stretches", failing(read_stretches))
        patch.setattr(segment, "read_audio", failing(read_audio))
        report = prepare(settings(corpus, **step), EnergyCodec(), transcriber=transcriber)
    assert any("input/output error" in reason for _, reason in report.dropped)
    again = prepare(settings(corpus, **step), EnergyCodec(), transcriber=transcriber)
    assert again.utterances == report.utterances + 1


def test_a_corpus_of_which_nothing_could_be_read_is_read_by_the_next_run(corpus: Path):
    class Away(EnergyCodec):
        def encode(self, wave: torch.Tensor) -> torch.Tensor:
            raise AudioError("the device is away")

    with pytest.raises(DataError, match="the device is away"):
        prepare(settings(corpus, transcribe=None), Away())
    assert prepare(settings(corpus, transcribe=None), EnergyCodec()).utterances == 1


def test_recordings_that_change_while_they_are_read_are_told(tmp_path: Path):
    make_source(tmp_path / "c", speakers=1)

    class Changing(EnergyCodec):
        def encode(self, wave: torch.Tensor) -> torch.Tensor:
            for path in sorted((tmp_path / "c").rglob("*.wav"))[:2]:
                path.write_bytes(path.read_bytes() + bytes(8))
            return super().encode(wave)

    with pytest.raises(DataError, match="2 recordings changed while they were read: run it again"):
        prepare(settings(tmp_path / "c"), Changing())
    assert prepare(settings(tmp_path / "c"), EnergyCodec()).utterances == 4


def test_symbols_that_the_tokenizer_does_not_know_are_reported_by_utterance(tmp_path: Path):
    lines = make_source(tmp_path / "c", speakers=1)
    lines[0]["phonemes"], lines[2]["phonemes"] = "hˈʘ†.", "ʘ"
    write_manifest(tmp_path / "c", lines)
    report = prepare(settings(tmp_path / "c"), EnergyCodec(), tokenizer=open_tokenizer(None, None))
    assert report.unknown_symbols == {"†": ["tone/s0/0"], "ʘ": ["tone/s0/0", "tone/s0/2"]}
    again = prepare(settings(tmp_path / "c"), EnergyCodec(), tokenizer=open_tokenizer(None, None))
    assert again.unknown_symbols == report.unknown_symbols
    naive = prepare(settings(tmp_path / "c"), EnergyCodec(), tokenizer=open_tokenizer("naive", None))
    assert naive.encoded == 0 and set(naive.unknown_symbols) >= {"†", "ʘ"}
    told = "\n".join(report.lines())
    assert "2 symbols the tokenizer does not know" in told and "'ʘ' (U+0298): 2 x, tone/s0/0" in told


def test_the_report_counts_by_speaker_language_and_split(tmp_path: Path):
    lines = make_source(tmp_path / "c")
    lines[0]["lang"] = "de"
    lines[1]["path"] = "nowhere.wav"
    write_manifest(tmp_path / "c", [*lines, {"path": "../x.wav"}])
    report = prepare(settings(tmp_path / "c"), EnergyCodec())
    told = json.loads((tmp_path / "out/s.report.json").read_text())
    assert told["utterances"] == 11
    assert told["by_language"]["de"] == {"utterances": 1, "seconds": 1.0}
    assert {name: one["utterances"] for name, one in told["by_split"].items()} == {"training": 8, "validation": 3}
    assert {name: one["utterances"] for name, one in told["by_speaker"].items()} == {
        "tone/s0": 3,
        "tone/s1": 4,
        "tone/s2": 4,
    }
    assert [one["id"] for one in told["dropped"]] == ["meta.jsonl, line 13", "tone/s0/nowhere"]
    assert told["dropped_in"] == {"read": 1, "encode": 1}
    assert told["hours"] == pytest.approx(report.hours, abs=1e-6)
    assert "2 left out" in report.summary()


def test_a_dry_run_tells_what_would_be_done_and_writes_nothing(corpus: Path, caplog: pytest.LogCaptureFixture):
    (corpus / "anna/broken.wav").write_bytes(b"RIFF")
    (corpus / "anna/broken.txt").write_text("Broken.")
    transcriber, codec = BurstTranscriber(), EnergyCodec()
    with caplog.at_level("INFO"):
        report = prepare(settings(corpus, dry_run=True), codec, transcriber=transcriber)
    assert "transcribe 3, segment 0, phonemise 2, encode 2" in caplog.text
    assert (report.utterances, [name for name, _ in report.dropped]) == (1, ["corpus/anna/broken"])
    assert report.hours == pytest.approx(1.5 / 3600)
    assert (transcriber.heard, codec.encoded) == (0, 0)
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]


def test_jobs_share_the_work_and_the_last_joins_it(tmp_path: Path):
    make_source(tmp_path / "c")
    whole = prepare(settings(tmp_path / "c"), EnergyCodec())
    before = [(u.id, u.codes.tolist()) for u in utterances(whole.path)]
    whole.path.unlink()
    left = 12
    for shard in (2, 0, 1):
        assert not whole.path.exists()
        codec = EnergyCodec()
        report = prepare(settings(tmp_path / "c", shard=shard, shards=3), codec)
        left -= codec.encoded
        assert codec.encoded < 12
        assert (report.missing, report.utterances) == (left, 0 if left else 12)
    assert not left
    assert [(u.id, u.codes.tolist()) for u in utterances(whole.path)] == before
    assert sorted(path.name for path in whole.path.parent.iterdir()) == ["s.h5", "s.h5.work", "s.report.json"]


def test_what_jobs_have_done_serves_another_number_of_jobs(tmp_path: Path):
    make_source(tmp_path / "c")
    done = prepare(settings(tmp_path / "c", shard=1, shards=3), EnergyCodec()).encoded
    codec = EnergyCodec()
    assert prepare(settings(tmp_path / "c"), codec).utterances == 12
    assert 0 < done < 12
    assert codec.encoded == 12 - done


def test_the_same_job_does_not_run_twice_at_once(tmp_path: Path):
    make_source(tmp_path / "c")
    cfg = settings(tmp_path / "c")
    other = Workshop(Path(cfg.dataset.hdf5_name), 0, 1)
    with other.claimed(), pytest.raises(DataError, match="is being prepared by another process"):
        prepare(cfg, EnergyCodec())
    assert prepare(cfg, EnergyCodec()).utterances == 12


def test_what_a_job_of_another_number_of_jobs_has_made_stays_until_it_ends(tmp_path: Path):
    make_source(tmp_path / "c")
    cfg = settings(tmp_path / "c")
    at_work = Workshop(Path(cfg.dataset.hdf5_name), 0, 2)
    with at_work.claimed():
        prepare(settings(tmp_path / "c", shard=1, shards=2), EnergyCodec())
        made = list((at_work.folder / "parts").iterdir())
        assert made
        assert prepare(cfg, EnergyCodec()).utterances == 12
        assert all(part.exists() for part in made)
        with pytest.raises(DataError, match="is being prepared by another process"):
            prepare(settings(tmp_path / "c", shards=2), EnergyCodec())
    assert prepare(cfg, EnergyCodec()).encoded == 0
    assert [path.name for path in at_work.folder.iterdir()] == ["content"]


def test_a_folder_that_cannot_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DataError, match=r"s\.h5\.work lies where files cannot be locked \(No locks available\)"):
        Workshop(tmp_path / "s.h5", 0, 1).claimed().__enter__()


def test_models_in_folders_of_one_name_are_told_apart(tmp_path: Path):
    for folder in ("a/model", "b/model"):
        (tmp_path / folder).mkdir(parents=True)
    one, other = (WhisperTranscriber(str(tmp_path / folder), "cpu").name for folder in ("a/model", "b/model"))
    assert one != other
    assert WhisperTranscriber("large-v3", "cpu").name == "large-v3"


def test_a_line_that_was_half_written_is_dropped_and_written_anew(tmp_path: Path):
    first = Journal(tmp_path, "a")
    first.add("one", {"text": "\ud800 ж"})
    first.add("two", 2)
    first.close()
    path = tmp_path / "a.jsonl"
    path.write_bytes(path.read_bytes()[:-3])
    second = Journal(tmp_path, "a")
    assert "one" in second and "two" not in second
    second.add("two", 3)
    second.close()
    third = Journal(tmp_path, "b")
    assert (third["one"], third["two"]) == ({"text": "\ud800 ж"}, 3)


def test_transcription_without_its_extra_names_it(corpus: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingExtra, match=r"preparation\.transcribe=tiny needs the package 'faster-whisper'"):
        prepare(settings(corpus, transcribe="tiny"), EnergyCodec())


def test_a_folder_that_holds_no_whisper_model_is_named(corpus: Path):
    pytest.importorskip("faster_whisper", reason="the extra transcribe is not installed")
    with pytest.raises(DataError, match="no such model"):
        prepare(settings(corpus, transcribe=str(corpus)), EnergyCodec())
