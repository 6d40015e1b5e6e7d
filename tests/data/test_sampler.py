"""Batches: every utterance once an epoch, of like length, within the limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vall_e.config.dataset import DatasetConfig, SampleOrder
from vall_e.data.sampler import BatchSampler


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
    batches = sampler(
        durations, speakers, order, size, sample_shuffle=shuffle, sample_max_duration_batch=seconds
    ).batches
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
    assert one.batches(7) == other.batches(7) != one.batches(8)
    assert {frozenset(batch) for batch in one.batches(7)} != {frozenset(batch) for batch in one.batches(8)}


def test_interleaving_takes_the_speakers_in_turn():
    (batch,) = sampler([1.0] * 6, [1, 1, 1, 0, 2, 0], batch_size=9, sample_shuffle=False).batches(0)
    assert batch == [3, 0, 4, 5, 1, 2]


def test_by_duration_buckets_of_seconds_follow_each_other():
    durations, speakers = [3.1, 1.2, 2.9, 1.0, 1.1, 3.0], [0, 0, 1, 0, 1, 0]
    batches = sampler(durations, speakers, "duration", batch_size=3, sample_shuffle=False).batches(0)
    assert batches == [[3, 4, 1], [5, 2, 0]]


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
    batches = sampler([2.0, 2.0, 2.0, 9.0, 1.0], [0] * 5, sample_shuffle=False, sample_max_duration_batch=4.0).batches(
        0
    )
    assert batches == [[0, 1], [2], [3], [4]]


def test_identity_changes_with_whatever_changes_the_batches():
    base = sampler([1.0, 2.0], [0, 0]).identity
    assert sampler([1.0, 2.0], [0, 0]).identity == base
    assert sampler([1.0, 2.5], [0, 0]).identity != base
    assert sampler([1.0, 2.0], [0, 1]).identity != base
    assert sampler([1.0, 2.0], [0, 0], batch_size=2).identity != base
    assert sampler([1.0, 2.0], [0, 0], "random").identity != base
