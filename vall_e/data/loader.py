"""Endless batches of samples, made by worker processes, with a position that can be saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from vall_e.config.dataset import DatasetConfig

from .dataset import Key, SpeechDataset
from .sample import Sample
from .sampling.sampler import BatchSampler
from .workers import Workers

log = logging.getLogger(__name__)


class Loader:
    """An endless iterator over batches, epoch after epoch; each of several ranks takes its turn in the same batches.

    Its state counts the batches handed out on all ranks, not those the workers have made ahead; samples are functions
    of (seed, epoch, index). So a restored loader goes on exactly where it was, with any number of workers and ranks,
    provided that all ranks have taken equally many. The workers live as long as the loader, through all epochs.
    """

    def __init__(
        self, dataset: SpeechDataset, sampler: BatchSampler, workers: int, rank: int = 0, ranks: int = 1
    ) -> None:
        self._dataset, self._sampler, self._workers = dataset, sampler, workers
        self._rank, self._ranks = rank, ranks
        self._epoch = self._batch = 0
        self._ahead: Iterator[list[Sample]] | None = None
        self._end_workers: Callable[[], object] = _nothing

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self._epoch

    def __iter__(self) -> Loader:
        return self

    def __next__(self) -> list[Sample]:
        if self._ahead is None:
            self._ahead = self._start()
        try:
            samples = next(self._ahead)
        except BaseException:
            self.close()
            raise
        self._batch += self._ranks
        while self._batch >= (length := len(self._sampler.batches(self._epoch))):
            self._epoch, self._batch = self._epoch + 1, self._batch - length
        return samples

    def state_dict(self) -> dict[str, Any]:
        """The position, fit for JSON."""
        return {"epoch": self._epoch, "batch": self._batch, "sampler": self._sampler.identity}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position. If data or batching have changed since, go to the start of the epoch after it."""
        self.close()
        self._epoch, self._batch = state["epoch"], state["batch"]
        if state["sampler"] != self._sampler.identity:
            self._epoch, self._batch = self._epoch + 1, 0
            log.warning("Data, seed or batching differ from the saved run: going on with epoch %d", self._epoch)

    def recent(self, count: int) -> list[Sample]:
        """The last `count` samples handed out in this epoch, then coming ones if those are too few, all for tts.

        The position does not move, and what is returned follows from it alone.
        """
        past = [(self._epoch, i) for batch in self._just_handed_out(count) for i in batch]
        coming = (key for batch in self._coming() for key in batch)
        keys = past[max(0, len(past) - count) :]
        return [self._dataset.evaluated(i, epoch) for epoch, i in keys + list(islice(coming, count - len(keys)))]

    def _just_handed_out(self, samples: int) -> list[list[int]]:
        """The last batches of this epoch; as each holds a sample, so many hold enough."""
        return self._sampler.batches(self._epoch)[max(0, self._batch - samples) : self._batch]

    def close(self) -> None:
        """End the worker processes; the next batch starts them again."""
        self._ahead = None
        self._end_workers()
        self._end_workers = _nothing

    def _keys(self) -> Iterator[list[Key]]:
        """The batches of this rank."""
        return islice(self._coming(), self._rank, None, self._ranks)

    def _coming(self) -> Iterator[list[Key]]:
        """The batches of all ranks from the position on."""
        epoch, first = self._epoch, self._batch
        while True:
            batches = self._sampler.batches(epoch)
            for number in range(first, len(batches)):
                yield [(epoch, index) for index in batches[number]]
            epoch, first = epoch + 1, 0

    def _start(self) -> Iterator[list[Sample]]:
        if not self._workers:
            return map(self._dataset.samples, self._keys())
        workers = Workers(self._dataset, self._keys(), self._workers)
        self._end_workers = workers.close
        return workers


def open_loader(
    dataset: SpeechDataset, cfg: DatasetConfig, batch_size: int, seed: int, rank: int = 0, ranks: int = 1
) -> Loader:
    """The training loader of a dataset as `cfg` wants it, for one of several ranks."""
    sampler = BatchSampler(
        dataset.durations,
        dataset.speaker_ids,
        cfg,
        batch_size,
        seed,
        group_ids=dataset.group_ids,
        positions=dataset.positions() if cfg.sample_max_positions_batch else None,
    )
    return Loader(dataset, sampler, cfg.workers, rank, ranks)


def _nothing() -> None:
    """Samples made in this process leave no workers to end."""
