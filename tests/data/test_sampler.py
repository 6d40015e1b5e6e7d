"""Batches: every utterance once an epoch, of like length, within the limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vall_e.config.dataset import DatasetConfig, SampleOrder, SampleType
from vall_e.data.sampling.sampler import BatchSampler


def sampler(
    durations: list[float], speakers: list[int], order: str = "interleaved", batch_size: int = 4, **settings: object
) -> BatchSampler:
    cfg = DatasetConfig(sample_order=SampleOrder[order], **settings)
    return BatchSampler(np.array(durations), np.array(speakers), cfg, batch_size, seed=1)


CASES = st.lists(st.tuples(st.floats(0.1, 12), st.integers(0, 4)), min_size=1, max_size=80)
ORDERS = st.sampled_from(["random", "duration", "interleaved"])


@given(
    case=CASES, order=ORDERS, shuffle=st.booleans(), size=st.integers(1, 9), seconds=st.sampled_from([0.0, 5.0, 20.0])
)
@settings(max_examples=120, deadline=None)
def test_every_epoch_holds_every_utterance_once_within_the_limits(
    case: list[tuple[float, int]], order: str, shuffle: bool, size: int, seconds: float
):
    durations, speakers = [d for d, _ in case], [s for _, s in case]
    settings = {"sample_shuffle": shuffle, "sample_max_duration_batch": seconds}
    drawn = sampler(durations, speakers, order, size, **settings)

    def batches(epoch: int) -> list[list[int]]:
        return list(drawn.batches(epoch))

    for epoch in (0, 1):
        assert sorted(index for batch in batches(epoch) for index in batch) == list(range(len(case)))
        for batch in batches(epoch):
            assert 1 <= len(batch) <= size
            total = sum(durations[index] for index in batch)
            assert seconds == 0 or len(batch) == 1 or total <= seconds + 1e-9
    if not shuffle:
        assert batches(0) == batches(1)


@pytest.mark.parametrize("order", ["random", "duration", "interleaved"])
def test_an_order_follows_from_seed_and_epoch(order: str):
    rng = np.random.default_rng(0)
    durations, speakers = rng.uniform(1, 12, 100).tolist(), rng.integers(0, 5, 100).tolist()
    one, other = sampler(durations, speakers, order), sampler(durations, speakers, order)
    [one.batches(epoch) for epoch in range(7)]
    seventh, eighth = list(one.batches(7)), list(one.batches(8))
    assert seventh == list(other.batches(7)) != eighth
    assert {frozenset(batch) for batch in seventh} != {frozenset(batch) for batch in eighth}


def test_interleaving_takes_the_speakers_in_turn():
    (batch,) = sampler([1.0] * 6, [1, 1, 1, 0, 2, 0], batch_size=9, sample_shuffle=False).batches(0)
    assert batch == [3, 0, 4, 5, 1, 2]


def test_by_duration_buckets_of_seconds_follow_each_other():
    durations, speakers = [3.1, 1.2, 2.9, 1.0, 1.1, 3.0], [0, 0, 1, 0, 1, 0]
    batches = sampler(durations, speakers, "duration", batch_size=3, sample_shuffle=False).batches(0)
    assert list(batches) == [[3, 4, 1], [5, 2, 0]]


@pytest.mark.parametrize("order", ["random", "duration", "interleaved"])
def test_shuffled_batches_hold_utterances_of_like_duration(order: str):
    rng = np.random.default_rng(0)
    durations = rng.uniform(1, 12, 512)
    batches = sampler(durations.tolist(), rng.integers(0, 5, 512).tolist(), order, 8).batches(0)
    spread = np.mean([np.ptp(durations[batch]) for batch in batches])
    at_random = np.mean([np.ptp(part) for part in durations.reshape(-1, 8)])
    assert spread < at_random / 4


def test_shuffled_batches_come_in_no_order_of_duration():
    durations = np.random.default_rng(0).uniform(1, 12, 512)
    means = [durations[batch].mean() for batch in sampler(durations.tolist(), [0] * 512, "duration", 8).batches(0)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


def test_a_batch_is_full_when_its_seconds_are():
    settings = {"sample_shuffle": False, "sample_max_duration_batch": 4.0}
    batches = sampler([2.0, 2.0, 2.0, 9.0, 1.0], [0] * 5, **settings).batches(0)
    assert list(batches) == [[0, 1], [2], [3], [4]]


def test_identity_changes_with_whatever_changes_the_batches():
    base = sampler([1.0, 2.0], [0, 0]).identity
    assert sampler([1.0, 2.0], [0, 0]).identity == base
    assert sampler([1.0, 2.5], [0, 0]).identity != base
    assert sampler([1.0, 2.0], [0, 1]).identity != base
    assert sampler([1.0, 2.0], [0, 0], batch_size=2).identity != base
    assert sampler([1.0, 2.0], [0, 0], "random").identity != base


@given(case=CASES, order=ORDERS, shuffle=st.booleans(), limit=st.integers(1, 5000))
@settings(max_examples=60, deadline=None)
def test_no_batch_holds_more_positions_than_allowed(
    case: list[tuple[float, int]], order: str, shuffle: bool, limit: int
):
    durations, speakers = [d for d, _ in case], [s for _, s in case]
    positions = np.array([int(75 * duration) + 40 for duration in durations])
    cfg = DatasetConfig(sample_order=SampleOrder[order], sample_shuffle=shuffle, sample_max_positions_batch=limit)
    drawn = BatchSampler(np.array(durations), np.array(speakers), cfg, 6, seed=1, positions=positions)
    batches = list(drawn.batches(0))
    assert sorted(index for batch in batches for index in batch) == list(range(len(case)))
    assert all(len(batch) == 1 or positions[batch].sum() <= limit for batch in batches)
    assert max(map(len, batches)) <= 6


def test_limits_of_seconds_and_positions_hold_together():
    cfg = DatasetConfig(sample_shuffle=False, sample_max_duration_batch=12.0, sample_max_positions_batch=100)
    positions = np.array([40, 40, 40, 10, 10, 10])
    drawn = BatchSampler(np.array([1.0, 1, 1, 9, 2, 9]), np.zeros(6, np.int64), cfg, 6, seed=1, positions=positions)
    assert list(drawn.batches(0)) == [[0, 1], [2, 3, 4], [5]]


SPEAKERS_OF_UTTERANCES = st.lists(st.integers(0, 6), min_size=1, max_size=60)


@given(speakers=SPEAKERS_OF_UTTERANCES, shuffle=st.booleans(), size=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_sampling_by_speaker_hears_all_equally_often_and_each_utterance_before_any_again(
    speakers: list[int], shuffle: bool, size: int
):
    ids = np.unique(speakers, return_inverse=True)[1]
    drawn = sampler(
        [1.0] * len(ids), ids.tolist(), batch_size=size, sample_type=SampleType.speaker, sample_shuffle=shuffle
    )
    count = ids.max() + 1
    heard: list[list[int]] = [[] for _ in range(count)]
    for epoch in range(12):
        batches = list(drawn.batches(epoch))
        epoch_ids = [ids[index] for batch in batches for index in batch]
        assert np.ptp(np.bincount(epoch_ids, minlength=count)) == 0
        assert len(epoch_ids) >= size
        assert all(len(batch) == size for batch in batches) or count >= size
        for index in (index for batch in batches for index in batch):
            heard[ids[index]].append(index)
    for speaker, visited in enumerate(heard):
        own = np.flatnonzero(ids == speaker)
        # An epoch of several rounds shuffles what it hears, so visits count by the epoch.
        assert np.ptp(np.bincount(visited, minlength=len(ids))[own]) <= 1


def test_sampling_by_group_hears_groups_then_their_speakers_equally_often():
    groups = np.array([0, 0, 0, 1, 1, 2])
    speakers = np.repeat(np.arange(6), [1, 2, 30, 4, 5, 6])
    cfg = DatasetConfig(sample_type=SampleType.group)
    drawn = BatchSampler(np.ones(len(speakers)), speakers, cfg, 3, seed=1, group_ids=groups)
    visited = np.array([index for epoch in range(60) for batch in drawn.batches(epoch) for index in batch])
    assert np.bincount(groups[speakers[visited]]).tolist() == [60, 60, 60]
    assert np.bincount(speakers[visited]).tolist() == [20, 20, 20, 30, 30, 60]
    by_utterance = np.bincount(visited, minlength=len(speakers))
    assert all(np.ptp(by_utterance[speakers == speaker]) <= 1 for speaker in range(6))


def test_a_round_of_speakers_follows_from_seed_and_epoch_and_differs_between_epochs():
    ids = np.repeat(np.arange(20), 10)
    one, other = (sampler([1.0] * 200, ids.tolist(), batch_size=20, sample_type=SampleType.speaker) for _ in range(2))
    list(one.batches(3))
    assert list(one.batches(4)) == list(other.batches(4))
    assert {*one.batches(4)[0]} != {*one.batches(5)[0]}
    unshuffled = sampler([1.0] * 200, ids.tolist(), batch_size=20, sample_type=SampleType.speaker, sample_shuffle=False)
    assert list(unshuffled.batches(3)) == [(ids[::10] * 10 + 3).tolist()]


def test_identity_changes_with_sampling_by_speaker_and_with_a_limit_of_positions():
    def identity(**settings: object) -> str:
        counts = {"group_ids": np.array([0, 0]), "positions": np.array([9, 9])}
        return BatchSampler(np.ones(2), np.array([0, 1]), DatasetConfig(**settings), 2, seed=1, **counts).identity

    kinds = [{"sample_type": kind} for kind in SampleType] + [{"sample_max_positions_batch": n} for n in (10, 20)]
    assert len({identity(**kind) for kind in kinds}) == 5


def test_batches_are_a_sequence():
    drawn = sampler([1.0] * 100_000, [0] * 100_000, batch_size=8)
    assert len(drawn.batches(0)) == 12_500
    assert [len(batch) for batch in drawn.batches(0)[-2:]] == [8, 8]
    with pytest.raises(IndexError):
        drawn.batches(0)[12_500]
