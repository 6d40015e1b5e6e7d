"""In which order and in which batches an epoch visits the utterances."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig, SampleOrder

from .selection import Rows, places_in_groups

# Utterances are sorted by duration within pools of this many batches: enough for batches of like length, few enough
# that every epoch makes other batches.
POOL_BATCHES = 8


class BatchSampler:
    """Batches of utterance indices; each epoch holds every utterance once, the last batch may be smaller.

    With `sample_shuffle` the order is drawn anew from (seed, epoch), batches hold utterances of like duration and come
    in random order. Without, every epoch is the same.
    """

    def __init__(
        self, durations: npt.NDArray[np.float64], speaker_ids: Rows, cfg: DatasetConfig, batch_size: int, seed: int
    ) -> None:
        """`durations` float64 [n] in seconds, `speaker_ids` int64 [n]; `batch_size` is the most a batch may hold."""
        self._durations, self._speakers = durations, speaker_ids
        self._order, self._shuffle = cfg.sample_order, cfg.sample_shuffle
        self._batch_size, self._batch_seconds = batch_size, cfg.sample_max_duration_batch
        self._seed = seed
        # The loader's look-ahead may be an epoch further than what it has handed out.
        self.batches = lru_cache(maxsize=3)(self._draw_batches)

    @cached_property
    def identity(self) -> str:
        """A digest of everything the batches follow from: equal identities, equal batches."""
        digest = hashlib.sha256(self._durations.tobytes() + self._speakers.astype(np.int64).tobytes())
        settings = (self._order.name, self._shuffle, self._batch_size, float(self._batch_seconds), self._seed)
        digest.update(repr(settings).encode())
        return digest.hexdigest()[:16]

    def _draw_batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        rng = np.random.default_rng((self._seed, epoch))
        order = self._epoch_order(rng)
        if self._shuffle and self._order is not SampleOrder.duration:
            order = self._sorted_in_pools(order)
        batches = list(self._cut(order))
        if self._shuffle:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return batches

    def _epoch_order(self, rng: np.random.Generator) -> Rows:
        count = len(self._durations)
        if self._shuffle:
            order = rng.permutation(count)
        elif self._order is SampleOrder.random:
            order = np.random.default_rng(self._seed).permutation(count)
        else:
            order = np.arange(count)
        if self._order is SampleOrder.interleaved:
            return self._interleaved(order, np.zeros(count, np.int64))
        if self._order is SampleOrder.duration:
            return self._by_duration(order)
        return order

    def _by_duration(self, order: Rows) -> Rows:
        """Buckets of whole seconds, shortest first, the speakers in rotation within each."""
        if not self._shuffle:
            order = order[np.argsort(self._durations[order], kind="stable")]
        return self._interleaved(order, np.round(self._durations[order]).astype(np.int64))

    def _interleaved(self, order: Rows, buckets: Rows) -> Rows:
        """`order` sorted by `buckets` [n]; within each, one utterance of every speaker in turn."""
        speakers = self._speakers[order]
        turns = places_in_groups(buckets * (int(self._speakers.max()) + 1) + speakers)
        return order[np.lexsort((speakers, turns, buckets))]

    def _sorted_in_pools(self, order: Rows) -> Rows:
        """Pools rise and fall in turn, so that no batch spans the longest of one and the shortest of the next."""
        size = self._batch_size * POOL_BATCHES
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        pools = [pool[np.argsort(self._durations[pool], kind="stable")] for pool in pools]
        return np.concatenate([pool[:: 1 if place % 2 == 0 else -1] for place, pool in enumerate(pools)])

    def _cut(self, order: Rows) -> Iterator[list[int]]:
        batch: list[int] = []
        seconds = 0.0
        for index, duration in zip(order.tolist(), self._durations[order].tolist(), strict=True):
            too_long = self._batch_seconds > 0 and seconds + duration > self._batch_seconds
            if batch and (too_long or len(batch) == self._batch_size):
                yield batch
                batch, seconds = [], 0.0
            batch.append(index)
            seconds += duration
        yield batch
