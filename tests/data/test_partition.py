"""Ranks share an epoch without overlap or loss, and a run goes on exactly with any other number of ranks or workers."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vall_e.config.dataset import DatasetConfig, SampleOrder, SampleType
from vall_e.data.dataset import SpeechDataset
from vall_e.data.loader import Loader, open_loader
from vall_e.data.sample import Sample
from vall_e.data.store.shards import join_shards
from vall_e.data.store.store_writer import StoreWriter

from .tones import IDENTITY, open_dataset, utterance

SPEECH = {"min_utterances": 1, "duration_range": [0.1, 9.0], "prompt_duration_range": [0.1, 0.4]}
KINDS = st.fixed_dictionaries(
    {
        "sample_type": st.sampled_from(SampleType),
        "sample_order": st.sampled_from([SampleOrder.random, SampleOrder.interleaved]),
        "sample_shuffle": st.booleans(),
        "sample_max_duration_batch": st.sampled_from([0.0, 9.0]),
        "sample_max_positions_batch": st.sampled_from([0, 200]),
    }
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SpeechDataset:
    path = tmp_path_factory.mktemp("partition") / "s.h5"
    with StoreWriter(path, IDENTITY) as writer:
        for number in range(23):
            speaker = f"{'xyz'[number % 3]}/{number % 5}"
            writer.append(utterance(number, 10 + 7 * number % 90, speaker), number)
    return open_dataset(path, **SPEECH)


def ranks_of(
    dataset: SpeechDataset, count: int, size: int, kind: dict[str, object], state: str = "", workers: int = 0
) -> list[Loader]:
    """The loaders of `count` ranks, set to a saved position."""
    cfg = DatasetConfig(workers=workers, **SPEECH, **kind)
    loaders = [open_loader(dataset, cfg, size, 4, rank, count) for rank in range(count)]
    for loader in loaders if state else ():
        loader.load_state_dict(json.loads(state))
    return loaders


def taken(loaders: list[Loader], steps: int) -> list[list[Sample]]:
    """What all ranks take in so many steps, in the order of batches."""
    return [next(loader) for _ in range(steps) for loader in loaders]


def told(batches: list[list[Sample]]) -> list[list[tuple[str, bytes]]]:
    return [[(sample.utterance, sample.prompt.tobytes()) for sample in batch] for batch in batches]


@given(ranks=st.integers(1, 9), size=st.integers(1, 6), kind=KINDS)
@settings(max_examples=40, deadline=None)
def test_all_ranks_together_hear_every_utterance_once_an_epoch(
    dataset: SpeechDataset, ranks: int, size: int, kind: dict[str, object]
):
    loaders = ranks_of(dataset, ranks, size, {**kind, "sample_type": SampleType.path})
    heard: list[str] = []
    while len(heard) < 3 * len(dataset):
        heard += [sample.utterance for batch in taken(loaders, 1) for sample in batch]
    for epoch in range(3):
        assert len({*heard[epoch * len(dataset) : (epoch + 1) * len(dataset)]}) == len(dataset)


@given(before=st.integers(1, 5), steps=st.integers(0, 30), after=st.integers(1, 5), size=st.integers(1, 6), kind=KINDS)
@settings(max_examples=40, deadline=None)
def test_a_run_goes_on_the_same_with_another_number_of_ranks(
    dataset: SpeechDataset, before: int, steps: int, after: int, size: int, kind: dict[str, object]
):
    loaders = ranks_of(dataset, before, size, kind)
    first = taken(loaders, steps)
    states = {json.dumps(loader.state_dict()) for loader in loaders}
    assert len(states) == 1
    second = taken(ranks_of(dataset, after, size, kind, states.pop()), 4)
    whole = list(islice(ranks_of(dataset, 1, size, kind)[0], before * steps + 4 * after))
    assert told(first + second) == told(whole)


@pytest.mark.parametrize(("steps", "before", "after"), [(3, (2, 2), (3, 0)), (5, (1, 0), (2, 1))])
def test_a_run_goes_on_the_same_with_other_ranks_and_workers(
    dataset: SpeechDataset, steps: int, before: tuple[int, int], after: tuple[int, int]
):
    kind = {"sample_type": SampleType.path, "sample_max_duration_batch": 9.0}
    loaders = ranks_of(dataset, before[0], 3, kind, workers=before[1])
    first = taken(loaders, steps)
    state = json.dumps(loaders[0].state_dict())
    others = ranks_of(dataset, after[0], 3, kind, state, workers=after[1])
    second = taken(others, 4)
    whole = list(islice(ranks_of(dataset, 1, 3, kind)[0], steps * before[0] + 4 * after[0]))
    assert told(first + second) == told(whole)
    for loader in (*loaders, *others):
        loader.close()


def test_batches_by_positions_hold_what_was_promised(dataset: SpeechDataset):
    kind = {"sample_max_positions_batch": 200}
    bound = dataset.positions()
    for batch in islice(ranks_of(dataset, 1, 6, kind)[0], 30):
        sizes = [len(sample.tokens) + len(sample.prompt) + len(sample.response) for sample in batch]
        assert len(batch) == 1 or sum(sizes) <= 200
    for index in range(len(dataset)):
        sample = dataset.sample(index, 0)
        assert len(sample.tokens) + len(sample.prompt) + len(sample.response) + 6 <= bound[index]


@pytest.mark.parametrize("index", [False, True], ids=["one file", "shards"])
def test_positions_grow_with_what_samples_may_hold(dataset: SpeechDataset, tmp_path: Path, index: bool):
    path = tmp_path / "all.h5" if index else dataset.store.path
    if index:
        join_shards(path, [dataset.store.path])
    plain = open_dataset(path, **SPEECH).positions()
    longest = int(dataset.store.frames.max()) + 3
    assert (open_dataset(path, **SPEECH, tasks_list=["tts", "tts-c"]).positions() - plain == longest).all()
    assert (open_dataset(path, **SPEECH, resps_max_samples=3).positions() - plain == 2 * longest).all()


def test_groups_follow_from_the_names_of_speakers(dataset: SpeechDataset):
    named = dict(zip(dataset.speakers, dataset.group_ids.tolist(), strict=True))
    assert len(set(named.values())) == 3
    assert all((a[0] == b[0]) == (named[a] == named[b]) for a in named for b in named)
