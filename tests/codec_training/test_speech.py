"""Which clips are heard."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.codec_training.conftest import RATE, Settings, tone
from vall_e.audio.read import write_wav
from vall_e.codec_training.audio_cache import cached_audio
from vall_e.codec_training.clips import clips_of
from vall_e.codec_training.quantiser_dropout import kept_levels
from vall_e.codec_training.recordings import find_recordings
from vall_e.codec_training.speech import Speech, open_speech
from vall_e.config.codec_augmentation import AugmentationConfig
from vall_e.engines.ranks import ALONE, Ranks
from vall_e.errors import AudioError, ConfigError, MissingExtra

NEVER = AugmentationConfig(speed=0, gain=0, reverberation=0, noise=0, band_limit=0)


def opened(settings: Settings, **values: object) -> Speech:
    return open_speech(settings(augmentation=NEVER, **values), RATE, 320, ALONE)


@pytest.mark.parametrize(("holdout", "kept"), [(["b"], [100, 300]), (["a", "c"], [200])])
def test_held_out_speakers_are_never_drawn(
    holdout: list[str], kept: list[int], settings: Settings, tmp_path: Path
) -> None:
    for level, speaker in ((100, "a"), (200, "b"), (300, "c")):  # of its samples, which tells it from others
        write_wav(tmp_path / "speech" / speaker / "x.wav", np.full(12_000, level / 32767, np.float32), RATE)
    speech = opened(settings, audio=str(tmp_path / "speech"), holdout=holdout, batch_size=40)
    assert sorted(set((speech.batch(0, ALONE) * 32768).flatten().tolist())) == kept
    assert not set((speech.measured(320) * 32768).flatten().tolist()) & set(kept)


def test_a_name_at_any_depth_holds_out_what_lies_below(corpus: Path) -> None:
    write_wav(corpus.parent / "two" / "de" / "d" / "x.wav", tone(100, 0.1), RATE)
    found = find_recordings([str(corpus), str(corpus.parent / "two")], ["de", "c"])
    assert {r.path.parent.name: r.held_out for r in found} == {"a": False, "b": False, "c": True, "d": True}
    assert {r.path.parent.name: r.folder for r in found} == {"a": 0, "b": 0, "c": 0, "d": 1}


def test_a_name_that_no_folder_has_is_refused_with_the_nearest(corpus: Path) -> None:
    with pytest.raises(ConfigError, match=r"holdout=eng is no folder.*nearest: en"):
        find_recordings([str(corpus)], ["eng"])


def test_holding_out_everything_is_refused(corpus: Path) -> None:
    with pytest.raises(AudioError, match="holds out everything"):
        find_recordings([str(corpus)], ["en"])


@pytest.mark.parametrize("folders", [[""], []])
def test_no_folder_is_refused(folders: list[str]) -> None:
    with pytest.raises(ConfigError, match="audio= names no folder"):
        find_recordings(folders, [])


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no audio file below.*\.ogg"):
        find_recordings([str(tmp_path)], [])


def test_clips_follow_from_seed_and_step_alone(settings: Settings) -> None:
    speech = open_speech(settings(), RATE, 320, ALONE)
    assert speech.batch(3, ALONE).equal(speech.batch(3, ALONE))
    assert not speech.batch(3, ALONE).equal(speech.batch(4, ALONE))
    other = replace(speech, cfg=settings(seed=1))
    assert not speech.batch(3, ALONE).equal(other.batch(3, ALONE))
    assert speech.batch(3, ALONE).shape == (2, 11_840)
    assert float(speech.batch(3, ALONE).abs().max()) <= 1


def test_ranks_hear_the_parts_of_what_one_process_hears(settings: Settings) -> None:
    speech = open_speech(settings(batch_size=4), RATE, 320, ALONE)
    whole, parts = speech.batch(5, ALONE), [speech.batch(5, Ranks(rank, 2)) for rank in range(2)]
    assert whole[:2].equal(parts[0]) and whole[2:].equal(parts[1])


def test_measured_clips_are_held_out_and_always_the_same(settings: Settings) -> None:
    speech = opened(settings)
    assert speech.measured(320).equal(opened(settings, steps=99).measured(320))
    held_out = speech.held_out.samples[int(speech.held_out.starts[0]) :][: int(speech.held_out.lengths[0])] / 32768
    for clip in speech.measured(320).numpy():
        assert any(np.allclose(held_out[n : n + 100], clip[:100]) for n in range(len(held_out) - 100))


def test_without_held_out_speech_that_of_training_is_measured_and_said(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    speech = opened(settings, holdout=None)
    assert speech.held_out is speech.training
    assert "give holdout=" in caplog.text


def test_longer_recordings_are_drawn_more_often_and_folders_by_their_weights() -> None:
    lengths = np.array([3_000, 1_000, 1_000])
    samples = np.repeat(np.array([1, 2, 3], np.int16), lengths)
    by_length = clips_of(samples, lengths, [0, 1, 2], [0, 0, 1], None)
    weighted = clips_of(samples, lengths, [0, 1, 2], [0, 0, 1], [1.0, 3.0])
    for clips, expected in ((by_length, [0.6, 0.2, 0.2]), (weighted, [0.1875, 0.0625, 0.75])):
        rng = np.random.default_rng(0)
        drawn = [round(float(clips.draw(rng, 100)[50]) * 32768) for _ in range(4_000)]
        assert [drawn.count(n) / 4_000 for n in (1, 2, 3)] == pytest.approx(expected, abs=0.03)


def test_a_clip_never_reaches_into_another_recording() -> None:
    samples = np.repeat(np.array([1, 2], np.int16), [100, 300])
    clips = clips_of(samples, np.array([100, 300]), [0, 1], [0, 0], None)
    rng = np.random.default_rng(0)
    for _ in range(200):
        clip = clips.draw(rng, 200) * 32768
        assert set(clip.tolist()) in ({1.0, 0.0}, {2.0})


def test_audio_is_decoded_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, tone(100, 0.1), RATE)
    samples, lengths = cached_audio([path], tmp_path / "cache", RATE)
    assert lengths.tolist() == [2_400] and samples.dtype == np.int16
    written = sorted((tmp_path / "cache").iterdir())
    cached_audio([path], tmp_path / "cache", RATE)
    assert sorted((tmp_path / "cache").iterdir()) == written
    write_wav(path, tone(200, 0.2), RATE)
    assert cached_audio([path], tmp_path / "cache", RATE)[1].tolist() == [4_800]


def test_what_cannot_be_read_is_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    write_wav(good, tone(100, 0.1), RATE)
    bad.write_bytes(b"no audio")
    assert cached_audio([bad, good], tmp_path / "cache", RATE)[1].tolist() == [0, 2_400]
    assert "bad.wav" in caplog.text
    with pytest.raises(AudioError, match="none of 1 recordings"):
        cached_audio([bad], tmp_path / "cache", RATE)


def test_recordings_that_pyav_reads_are_learnt_from_too(settings: Settings, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra media is not installed")
    (tmp_path / "more/d").mkdir(parents=True)
    (tmp_path / "more/d/buzz.g722").write_bytes(bytes(range(256)) * 100)  # 3.2 s: G.722 says half a byte a sample
    speech = opened(settings, audio=[str(corpus), str(tmp_path / "more")], audio_weights=[0.0, 1.0])
    samples, lengths = cached_audio([tmp_path / "more/d/buzz.g722"], tmp_path / "cache", RATE)
    assert lengths.tolist() == [pytest.approx(3.2 * RATE, abs=1)]
    assert np.abs(samples.astype(np.int64)).max() > 1_000
    drawn = (speech.batch(0, ALONE) * 32768).round().int().numpy()
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.int32), drawn.shape[1])
    assert all((windows == clip).all(axis=1).any() for clip in drawn)


def test_without_pyav_its_extra_is_named_before_a_run_begins(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/buzz.g722").write_bytes(bytes(1_000))
    with pytest.raises(MissingExtra, match=r"reading \.g722 files needs the package 'av': .*\[media\]"):
        open_speech(settings(audio=str(tmp_path / "d"), holdout=None), RATE, 320, ALONE)


def test_half_a_batch_keeps_all_levels() -> None:
    keep = kept_levels(np.random.default_rng(0), 100, 8)
    assert keep[:50].eq(8).all()
    assert set(keep[50:].tolist()) == set(range(1, 9))


@pytest.mark.parametrize("size", [1, 3])
def test_half_of_an_odd_number_of_clips_is_rounded_by_chance(size: int) -> None:
    whole = [int((kept_levels(np.random.default_rng(seed), size, 1000) == 1000).sum()) for seed in range(100)]
    assert set(whole) == {size // 2, size // 2 + 1}
    assert np.mean(whole) == pytest.approx(size / 2, abs=0.2)


def test_nothing_that_can_be_read_to_learn_from_is_refused(settings: Settings, tmp_path: Path) -> None:
    write_wav(tmp_path / "speech" / "b" / "x.wav", tone(100, 1.0), RATE)
    (tmp_path / "speech" / "a").mkdir()
    (tmp_path / "speech" / "a" / "x.wav").write_bytes(b"no sound")
    with pytest.raises(AudioError, match="no recording to learn from can be read"):
        opened(settings, audio=str(tmp_path / "speech"))


def test_a_share_of_a_folder_without_clips_is_refused(settings: Settings, corpus: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "held" / "b" / "x.wav", tone(100, 1.0), RATE)
    with pytest.raises(AudioError, match=r"audio_weights gives 2\.0 to .*held, which holds nothing to learn from"):
        opened(settings, audio=[str(corpus), str(tmp_path / "held")], audio_weights=[1.0, 2.0])
