"""Sampling by speaker or group: rounds in which each is heard once, whatever it has to offer."""

from __future__ import annotations

from math import gcd

import numpy as np

from .batches import Numbers
from .grouping import group

SPEAKERS, GROUPS = 1, 2


class Rounds:
    """One utterance of every speaker, or of every group, in each round.

    A speaker's utterances come in an order drawn anew whenever all have been heard, so do the speakers of a group. Who
    is heard in a round follows from (seed, round) alone.
    """

    def __init__(self, speakers: Numbers, groups: Numbers | None, seed: int, *, shuffle: bool) -> None:
        """speakers: int64 [n], of every utterance; groups: int64 [S], of every speaker, or None for rounds of
        speakers. Without `shuffle` utterances and speakers come in their own order."""
        self._utterances = group(speakers)
        self._groups = None if groups is None else group(groups)
        self._seed, self._shuffle = seed, shuffle

    def __len__(self) -> int:
        """Utterances of a round."""
        return len((self._groups or self._utterances).present)

    def of_epoch(self, epoch: int, batch_size: int) -> Numbers:
        """Utterances of an epoch: one round, or if that fills no batch, as many rounds as make whole batches."""
        count = batch_size // gcd(len(self), batch_size) if len(self) < batch_size else 1
        return np.concatenate([self.round(number) for number in range(epoch * count, (epoch + 1) * count)])

    def round(self, number: int) -> Numbers:
        """Indices of utterances, those of the lowest speaker or group first: int64 [len]."""
        heard = self._group_member if self._groups is not None else self._utterance
        return np.array([heard(which, number) for which in range(len(self))])

    def _utterance(self, speaker: int, visit: int) -> int:
        first, last = self._utterances.bounds[speaker : speaker + 2].tolist()
        return int(self._utterances.order[first + self._drawn((SPEAKERS, speaker), last - first, visit)])

    def _group_member(self, group_: int, visit: int) -> int:
        assert self._groups is not None
        first, last = self._groups.bounds[group_ : group_ + 2].tolist()
        speaker = int(self._groups.order[first + self._drawn((GROUPS, group_), last - first, visit)])
        return self._utterance(speaker, visit // (last - first))

    def _drawn(self, whose: tuple[int, int], size: int, visit: int) -> int:
        """Which of `size` things is met at a visit: each once, then each once more in another order."""
        cycle, place = divmod(visit, size)
        if not self._shuffle:
            return place
        return int(np.random.default_rng((self._seed, *whose, cycle)).permutation(size)[place])
