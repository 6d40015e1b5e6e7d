"""What samples of each task are made of, told by codes that are numbers of utterances."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vall_e.config.dataset import DatasetConfig
from vall_e.data.dataset import SpeechDataset
from vall_e.data.prompt import draw_similar
from vall_e.data.sample import Sample
from vall_e.data.store.similar import write_similar
from vall_e.data.store.store import Store
from vall_e.errors import DataError

from .tones import WriteStore, open_dataset, utterance

SPACE = 3
TEXTS = ("ab", "cd", "ef", "gh", "ij", "kl")


@pytest.fixture
def store(write_store: WriteStore) -> Path:
    """Two speakers of six utterances, 50 to 100 frames, whose texts are pairs of letters."""
    numbers = [(speaker, place) for speaker in range(2) for place in range(6)]
    return write_store(
        *(utterance(6 * s + p, 50 + 10 * p, f"g/{'ab'[s]}", text=TEXTS[p]) for s, p in numbers),
        utterance(99, 30, "noise/hum", "noise", text=""),
    )


def drawn(store: Path, task: str, index: int = 0, epoch: int = 0, **settings: Any) -> Sample:
    return open_dataset(store, tasks_list=[task], **settings).sample(index, epoch)


def shape(sample: Sample) -> list[str | int]:
    """The prompt as names of tasks and numbers of utterances."""
    assert isinstance(sample.prompt, tuple)
    return [piece if isinstance(piece, str) else int(piece[0, 0]) for piece in sample.prompt]


def runs(codes: np.ndarray[Any, Any]) -> list[int]:
    """The numbers of the utterances in codes, in order."""
    return list(dict.fromkeys(codes[:, 0].tolist()))


def test_writing_down_hears_the_utterance_and_no_voice(store: Path):
    sample = drawn(store, "stt", 3)
    assert sample.prompt == ("stt",)
    assert runs(sample.response) == [3]
    assert sample.text == "gh"
    assert len(sample.heard) == 0


@pytest.mark.parametrize("index", [0, 7])
def test_a_continuation_follows_a_whole_other_utterance(store: Path, index: int):
    for epoch in range(6):
        sample = drawn(store, "tts-c", index, epoch)
        before, name = shape(sample)
        assert name == "tts-c" and before != index and before // 6 == index // 6
        assert runs(sample.response) == [index]
        assert len(sample.heard) == 50 + 10 * (before % 6)
        assert sample.text == f"{TEXTS[before % 6]} {TEXTS[index % 6]}"
        plain = [drawn(store, "stt", i).tokens for i in (before, index)]
        assert sample.tokens.tolist() == [*plain[0][:-1], SPACE, *plain[1][1:]]


@pytest.mark.parametrize("task", ["tts", "tts-c"])
def test_a_target_can_be_prompted_by_its_own_beginning(store: Path, task: str):
    settings = {"prompt_continuous_utterance_p": 1.0, "prompt_duration_range": [0.5, 1.0]}
    for index in range(6):
        sample = drawn(store, task, index, **settings)
        whole = np.concatenate([sample.heard, sample.response])
        assert whole[:, 1].tolist() == list(range(50 + 10 * index))
        assert 25 <= len(sample.heard) <= len(whole) // 2
        assert sample.text == TEXTS[index]
        assert isinstance(sample.prompt, tuple) == (task == "tts-c")


def test_an_edit_stands_where_the_gap_was(store: Path):
    for epoch in range(12):
        sample = drawn(store, "cse", 2, epoch)
        told = shape(sample)
        gap = told.index("soe")
        assert told[gap : gap + 3] == ["soe", "mask", "eoe"]
        before, after = told[:gap], told[gap + 3 :]
        assert len(before) + len(after) >= 1
        assert runs(sample.response) == [*before, 2, *after]
        assert len({2, *before, *after}) == 1 + len(before) + len(after)
        assert sample.text == " ".join(TEXTS[number] for number in runs(sample.response))
        parts = [drawn(store, "stt", number).tokens[1:-1].tolist() for number in runs(sample.response)]
        expected = [1, *parts[0]]
        for part in parts[1:]:
            expected += [SPACE, *part]
        assert sample.tokens.tolist() == [*expected, 2]


def test_either_end_of_an_edit_is_missing_at_times(store: Path):
    dataset = open_dataset(store, tasks_list=["cse"])
    found = Counter[tuple[bool, bool]]()
    for epoch in range(600):
        told = shape(dataset.sample(0, epoch))
        found[(told[0] != "soe", told[-1] != "eoe")] += 1
    assert found[False, True] / 600 == pytest.approx(0.125, abs=0.045)
    assert found[True, False] / 600 == pytest.approx(0.875 * 0.125, abs=0.045)
    assert found[False, False] == 0


def test_tasks_are_drawn_by_how_often_they_are_listed(store: Path):
    dataset = open_dataset(store, tasks_list=["tts", "STT", "tts", "cse"])
    found = Counter(dataset.sample(i, epoch).task for i in range(12) for epoch in range(50))
    assert {task: count / 600 for task, count in found.items()} == pytest.approx(
        {"tts": 0.5, "stt": 0.25, "cse": 0.25}, abs=0.06
    )


def test_joined_targets_are_different_utterances_of_the_speaker_that_prompt_nothing(store: Path):
    for epoch in range(10):
        sample = drawn(store, "tts", 8, epoch, resps_max_samples=3)
        numbers = runs(sample.response)
        assert numbers[0] == 8 and len(numbers) == len(set(numbers)) == 3
        assert {number // 6 for number in numbers} == {1}
        assert len(sample.response) == sum(50 + 10 * (number % 6) for number in numbers)
        assert sample.text == " ".join(TEXTS[number % 6] for number in numbers)
        assert not set(numbers) & set(runs(sample.heard))


def test_targets_are_joined_with_their_chance(store: Path):
    dataset = open_dataset(store, resps_max_samples=2, resps_append_p=0.3)
    joined = [len(runs(dataset.sample(i % 12, i).response)) == 2 for i in range(400)]
    assert sum(joined) / 400 == pytest.approx(0.3, abs=0.07)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [({}, {4}), ({"prompt_similar_top_k": 2}, {4, 2}), ({"prompt_similar_top_k_offset": 1}, {2})],
)
def test_similar_utterances_prompt(store: Path, settings: dict[str, int], allowed: set[int]):
    dataset = with_similar(store, [4, 2, 1, -1], prompt_max_samples=1, prompt_similar_p=1.0, **settings)
    assert {number for epoch in range(12) for number in runs(dataset.sample(0, epoch).heard)} == allowed


def test_similar_utterances_prompt_with_their_chance_and_never_twice(store: Path):
    settings = {"prompt_duration_range": [9.0, 9.0], "prompt_max_samples": 3}
    dataset = with_similar(store, [4, 2, 1, -1], prompt_similar_p=1.0, **settings)
    assert runs(dataset.sample(0, 0).heard) == [4, 2, 1]
    half = with_similar(store, [4], prompt_similar_p=0.5, prompt_max_samples=1)
    found = Counter(runs(half.sample(0, epoch).heard)[0] for epoch in range(400))
    assert found[4] / 400 == pytest.approx(0.5 + 0.5 / 5, abs=0.07)


def test_what_is_similar_but_not_of_the_split_or_the_speaker_prompts_nothing(store: Path):
    dataset = with_similar(store, [12, 7, 0, 3], prompt_max_samples=1, prompt_similar_p=1.0)
    assert runs(dataset.sample(0, 0).heard) == [3]
    nothing = with_similar(store, [-1, -1], prompt_max_samples=1, prompt_similar_p=1.0)
    assert runs(nothing.sample(0, 0).heard)[0] in range(1, 6)


def test_an_offset_beyond_what_is_known_skips_nothing():
    cfg = DatasetConfig(prompt_similar_top_k_offset=5)
    usable, rng = np.arange(9), np.random.default_rng(0)
    assert draw_similar(rng, np.array([3, 1, -1], np.int32), usable, [0], cfg) == 3


def test_tasks_that_need_what_is_missing_are_refused(write_store: WriteStore):
    alone = write_store(*(utterance(i, 60) for i in range(3)))
    with pytest.raises(DataError, match="no utterance of the noise split"):
        open_dataset(alone, tasks_list=["tts", "ns"])
    with pytest.raises(DataError, match="no utterance of the noise split"):
        open_dataset(alone, prompt_inject_noise=True)
    with pytest.raises(DataError, match="tse needs a second speaker"):
        open_dataset(alone, tasks_list=["tse"])


def test_a_speaker_of_one_utterance_still_gets_every_task(write_store: WriteStore):
    path = write_store(utterance(0, 60), utterance(1, 60, "g/b"))
    for task in ("tts", "tts-c", "stt", "len", "cse"):
        assert len(drawn(path, task, min_utterances=1).response) >= 60


def with_similar(store: Path, rows: list[int], **settings: Any) -> SpeechDataset:
    """A dataset in whose store these rows are most like every row."""
    indices = np.tile(np.array(rows, np.int32), (len(Store(store)), 1))
    write_similar(store, indices, np.zeros(indices.shape, np.float16))
    return open_dataset(store, **settings)
