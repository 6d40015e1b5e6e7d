"""In which order and in which batches an epoch visits the utterances."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from math import inf

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig, SampleOrder, SampleType

from .batches import Batches, Numbers
from .grouping import group
from .rounds import Rounds

# Utterances are sorted by duration within pools of this many batches: enough for batches of like length, few enough
# that every epoch makes other batches.
POOL_BATCHES = 8


class BatchSampler:
    """Batches of utterance indices; the last batch of an epoch may be smaller.

    An epoch holds every utterance once, or with `sample_type` one of every speaker or group. With `sample_shuffle` the
    order is drawn anew from (seed, epoch), batches hold utterances of like duration and come in random order. Without,
    the order of utterances is always the same.
    """

    def __init__(
        self,
        durations: npt.NDArray[np.float64],
        speaker_ids: Numbers,
        cfg: DatasetConfig,
        batch_size: int,
        seed: int,
        *,
        group_ids: Numbers | None = None,
        positions: Numbers | None = None,
    ) -> None:
        """durations: float64 [n] in seconds; speaker_ids: int64 [n]; batch_size: the most a batch may hold;
        group_ids: int64 [S], of every speaker, for sampling by group; positions: int64 [n], for a limit of them."""
        self._durations, self._speakers, self._groups = durations, speaker_ids, group_ids
        self._order, self._shuffle, self._type = cfg.sample_order, cfg.sample_shuffle, cfg.sample_type
        self._batch_size, self._seed = batch_size, seed
        self._batch_seconds, self._batch_positions = cfg.sample_max_duration_batch, cfg.sample_max_positions_batch
        self._positions = positions if positions is not None else np.zeros(len(durations), np.int64)
        # The loader's look-ahead may be an epoch further than what it has handed out.
        self.batches = lru_cache(maxsize=3)(self._draw_batches)

    @cached_property
    def identity(self) -> str:
        """A digest of everything the batches follow from: equal identities, equal batches."""
        digest = hashlib.sha256(self._durations.tobytes() + self._speakers.astype(np.int64).tobytes())
        settings = (self._order.name, self._shuffle, self._batch_size, float(self._batch_seconds), self._seed)
        digest.update(repr(settings).encode())
        if self._batch_positions:
            digest.update(repr(self._batch_positions).encode() + self._positions.tobytes())
        if self._type is not SampleType.path:
            digest.update(self._type.name.encode() + (b"" if self._groups is None else self._groups.tobytes()))
        return digest.hexdigest()[:16]

    @cached_property
    def _rounds(self) -> Rounds:
        groups = self._groups if self._type is SampleType.group else None
        return Rounds(self._speakers, groups, self._seed, shuffle=self._shuffle)

    def _draw_batches(self, epoch: int) -> Batches:
        """All batches of an epoch."""
        rng = np.random.default_rng((self._seed, epoch))
        order = self._epoch_order(rng, self._visited(epoch))
        if self._shuffle and self._order is not SampleOrder.duration:
            order = self._sorted_in_pools(order)
        ends = self._cut(order)
        return Batches(order, ends, rng.permutation(len(ends)) if self._shuffle else None)

    def _visited(self, epoch: int) -> Numbers:
        if self._type is SampleType.path:
            return np.arange(len(self._durations))
        return self._rounds.of_epoch(epoch, self._batch_size)

    def _epoch_order(self, rng: np.random.Generator, order: Numbers) -> Numbers:
        if self._shuffle:
            order = order[rng.permutation(len(order))]
        elif self._order is SampleOrder.random:
            order = order[np.random.default_rng(self._seed).permutation(len(order))]
        if self._order is SampleOrder.interleaved:
            return self._interleaved(order, np.zeros(len(order), np.int64))
        if self._order is SampleOrder.duration:
            return self._by_duration(order)
        return order

    def _by_duration(self, order: Numbers) -> Numbers:
        """Buckets of whole seconds, shortest first, the speakers in rotation within each."""
        if not self._shuffle:
            order = order[np.argsort(self._durations[order], kind="stable")]
        return self._interleaved(order, np.round(self._durations[order]).astype(np.int64))

    def _interleaved(self, order: Numbers, buckets: Numbers) -> Numbers:
        """`order` sorted by `buckets` [n]; within each, one utterance of every speaker in turn."""
        speakers = self._speakers[order]
        count = int(self._speakers.max()) + 1
        turns = group(buckets * count + speakers).places()
        return order[np.argsort((buckets * (int(turns.max()) + 1) + turns) * count + speakers, kind="stable")]

    def _sorted_in_pools(self, order: Numbers) -> Numbers:
        """Pools rise and fall in turn, so that no batch spans the longest of one and the shortest of the next."""
        size = self._batch_size * POOL_BATCHES
        whole = len(order) // size * size
        pools = order[:whole].reshape(-1, size)
        pools = np.take_along_axis(pools, np.argsort(self._durations[pools], axis=1, kind="stable"), axis=1)
        rest = order[whole:][np.argsort(self._durations[order[whole:]], kind="stable")]
        falling = len(pools) % 2
        pools[1::2] = pools[1::2, ::-1]
        return np.concatenate([pools.reshape(-1), rest[:: -1 if falling else 1]])

    def _cut(self, order: Numbers) -> Numbers:
        """Where batches end: int64 [batches]."""
        if not self._batch_seconds and not self._batch_positions:
            return np.append(np.arange(self._batch_size, len(order), self._batch_size), len(order))
        lengths, positions = self._durations[order].tolist(), self._positions[order].tolist()
        most_seconds, most_positions = self._batch_seconds or inf, self._batch_positions or inf
        ends, first, seconds, held = [], 0, 0.0, 0
        for place, (length, count) in enumerate(zip(lengths, positions, strict=True)):
            full = seconds + length > most_seconds or held + count > most_positions or place - first == self._batch_size
            if full and place > first:
                ends.append(place)
                first, seconds, held = place, 0.0, 0
            seconds += length
            held += count
        return np.array([*ends, len(order)])
