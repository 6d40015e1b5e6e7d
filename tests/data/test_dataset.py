"""Samples: which utterances are used, and how they are prompted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vall_e.data.sample import Sample
from vall_e.data.sampling.cursor import SampleCursor
from vall_e.data.store.store import Store
from vall_e.errors import DataError

from .tones import FRAME_RATE, LEVELS, WriteStore, open_dataset, utterance


def numbers(sample: Sample) -> list[int]:
    """The numbers of the utterances in a prompt, in order."""
    return list(dict.fromkeys(sample.prompt[:, 0].tolist()))


def assert_same_sample(one: Sample, other: Sample) -> None:
    for name, value in vars(one).items():
        found = getattr(other, name)
        if name == "prompt" and isinstance(value, tuple):
            assert len(value) == len(found)
            for piece, again in zip(value, found, strict=True):
                np.testing.assert_array_equal(piece, again, err_msg=name)
        else:
            np.testing.assert_array_equal(value, found, err_msg=name)


def test_a_sample_carries_the_utterance_and_its_tokens(tone_store: Path):
    dataset = open_dataset(tone_store)
    stored = Store(tone_store).utterance(0)
    sample = dataset.sample(0, epoch=0)
    assert (sample.task, sample.utterance, sample.language) == ("tts", stored.id, "en-us")
    assert (sample.speaker, sample.text) == (stored.speaker, stored.text)
    np.testing.assert_array_equal(sample.response, stored.codes)
    assert sample.tokens.dtype == np.int64
    assert (sample.tokens[0], sample.tokens[-1]) == (1, 2)
    assert sample.prompt.dtype == np.int16


def test_the_splits_are_disjoint_and_complete(tone_store: Path):
    training, validation = open_dataset(tone_store, min_utterances=1), open_dataset(tone_store, "validation")
    ids = [d.sample(i, 0).utterance for d in (training, validation) for i in range(len(d))]
    assert (len(training), len(validation), len(set(ids))) == (9, 3, 12)
    assert training.durations.tolist() == [len(training.sample(i, 0).response) / FRAME_RATE for i in range(9)]
    assert [training.speakers[i] for i in training.speaker_ids] == [training.sample(i, 0).speaker for i in range(9)]


def test_a_sample_follows_from_seed_epoch_and_index_alone(tone_store: Path):
    one, other = (open_dataset(tone_store, seed=3, prompt_duration_range=[0.2, 1.0]) for _ in range(2))
    [one.sample(i, 0) for i in range(9)]
    for index in (8, 2):
        assert_same_sample(one.sample(index, 5), other.sample(index, 5))
    lengths = {len(one.sample(0, epoch).prompt) for epoch in range(8)}
    assert len(lengths) > 1


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.2, 3.0), (3.0, 6.0)])
def test_a_prompt_is_as_long_as_asked_where_the_speaker_has_enough(write_store: WriteStore, low: float, high: float):
    path = write_store(*(utterance(i, 100 + i) for i in range(10)))
    dataset = open_dataset(path, prompt_duration_range=[low, high], prompt_max_samples=3)
    for epoch in range(30):
        sample = dataset.sample(epoch % 10, epoch)
        found = numbers(sample)
        assert int(low * FRAME_RATE) <= len(sample.prompt) <= int(high * FRAME_RATE)
        assert len(found) <= 3
        assert epoch % 10 not in found


def test_joined_prompts_are_whole_utterances_trimmed_at_the_end(write_store: WriteStore):
    dataset = open_dataset(write_store(*(utterance(i, 60) for i in range(6))), prompt_duration_range=[3.0, 3.0])
    prompt = dataset.sample(0, 0).prompt
    assert prompt[:, 1].tolist() == [*range(60), *range(60), *range(30)]
    assert len(set(prompt[:, 0].tolist())) == 3


def test_few_utterances_give_a_shorter_prompt(write_store: WriteStore):
    dataset = open_dataset(write_store(utterance(0, 60), utterance(1, 60)), prompt_duration_range=[3.0, 6.0])
    assert dataset.sample(0, 0).prompt[:, 0].tolist() == [1] * 60


def test_a_range_that_ends_in_zero_prompts_nothing(tone_store: Path):
    sample = open_dataset(tone_store, prompt_duration_range=[3.0, 0.0]).sample(0, 0)
    assert sample.prompt.shape == (0, LEVELS)
    assert sample.prompt.dtype == np.int16


def test_a_prompt_comes_from_the_same_speaker(write_store: WriteStore):
    path = write_store(*(utterance(i, 60, f"g/{'ab'[i % 2]}") for i in range(12)))
    dataset = open_dataset(path)
    for index in range(12):
        assert {number % 2 for number in numbers(dataset.sample(index, 0))} == {index % 2}


def test_training_is_never_prompted_by_validation_speech(write_store: WriteStore):
    path = write_store(*(utterance(i, 60, split="validation" if i > 2 else "training") for i in range(8)))
    dataset = open_dataset(path)
    assert {number for epoch in range(20) for number in numbers(dataset.sample(0, epoch))} == {1, 2}


def test_a_single_validation_utterance_is_prompted_by_its_speakers_training_speech(write_store: WriteStore):
    path = write_store(utterance(0, 60), utterance(1, 60), utterance(2, 60, split="validation"))
    dataset = open_dataset(path, "validation")
    assert {number for epoch in range(20) for number in numbers(dataset.sample(0, epoch))} == {0, 1}


def test_a_speaker_of_one_utterance_prompts_itself(write_store: WriteStore):
    dataset = open_dataset(write_store(utterance(5, 60)), min_utterances=1)
    assert numbers(dataset.sample(0, 0)) == [5]


def test_training_keeps_the_duration_range_inclusively_and_validation_keeps_all(write_store: WriteStore):
    frames = [49, 50, 100, 101]
    path = write_store(*(utterance(i, n, split=s) for i, n in enumerate(frames) for s in ("training", "validation")))
    settings = {"duration_range": [1.0, 2.0], "min_utterances": 1}
    assert open_dataset(path, **settings).durations.tolist() == [1.0, 2.0]
    assert len(open_dataset(path, "validation", **settings)) == 4


def test_speakers_with_too_few_utterances_leave_and_others_are_cut(write_store: WriteStore):
    path = write_store(*(utterance(i, 60, s) for i, s in enumerate(["g/b", "g/a", "g/a", "g/c", "g/a", "g/c"])))
    dataset = open_dataset(path, min_utterances=2, max_utterances=2)
    assert [dataset.sample(i, 0).utterance for i in range(len(dataset))] == ["g/a/1", "g/a/2", "g/c/3", "g/c/5"]
    assert dataset.speakers == ["g/a", "g/c"]


def test_patterns_choose_speakers(write_store: WriteStore):
    path = write_store(*(utterance(i, 60, s) for i, s in enumerate(["x/a", "x/b", "y/a", "y/b"] * 2)))
    assert open_dataset(path, training=["x/*", "y/b"]).speakers == ["x/a", "x/b", "y/b"]
    assert open_dataset(path, training=[]).speakers == ["x/a", "x/b", "y/a", "y/b"]


def test_a_tolerant_dataset_warns_of_a_pattern_that_matches_nobody(
    write_store: WriteStore, caplog: pytest.LogCaptureFixture
):
    path = write_store(*(utterance(i, 60, s) for i, s in enumerate(["x/a", "x/b"] * 2)))
    assert open_dataset(path, training=["x/a", "y/*"], tolerant=True).speakers == ["x/a"]
    assert "'y/*' matches no speaker" in caplog.text
    with pytest.raises(DataError, match="selects no speaker"):
        open_dataset(path, training=["y/*"], tolerant=True)


def test_without_validation_of_durations_all_utterances_are_trained_on(write_store: WriteStore):
    path = write_store(*(utterance(i, n) for i, n in enumerate([20, 50, 900])))
    assert len(open_dataset(path, duration_range=[0.5, 1.0], validate=False)) == 3


@pytest.mark.parametrize(
    ("split", "settings", "said"),
    [
        ("training", {"training": ["tone/*", "tome/s1"]}, r"'tome/s1' matches no speaker .* \(nearest: tone/s1\)"),
        ("validation", {"validation": ["zzz"]}, r"dataset\.validation: 'zzz' matches no speaker .* \(nearest: tone/s"),
        ("training", {"duration_range": [50.0, 60.0]}, r"duration_range=\[50.0, 60.0\] leaves nothing .* last 1.0 to"),
        ("training", {"min_utterances": 9}, "min_utterances=9 leaves nothing .* more than 3 utterances"),
    ],
)
def test_a_selection_of_nothing_is_an_error(tone_store: Path, split: str, settings: dict[str, object], said: str):
    with pytest.raises(DataError, match=said):
        open_dataset(tone_store, split, **settings)


def test_a_store_without_a_validation_split_says_so(write_store: WriteStore):
    with pytest.raises(DataError, match=r"no utterance of the validation split: mark lines of meta\.jsonl"):
        open_dataset(write_store(utterance(0, 60)), "validation")


def test_what_is_evaluated_is_said_as_a_whole(tone_store: Path):
    dataset = open_dataset(tone_store, prompt_continuous_utterance_p=1.0)
    frames = [len(dataset.store.codes(dataset.row(index))) for index in range(len(dataset))]
    learnt = [dataset.sample(index, 0) for index in range(len(dataset))]
    assert all(len(sample.response) < count for sample, count in zip(learnt, frames, strict=True))
    assert all(len(dataset.evaluated(index, 0).response) == count for index, count in enumerate(frames))
    assert all(len(sample.response) in frames for sample in SampleCursor(dataset, 0).take(4))
