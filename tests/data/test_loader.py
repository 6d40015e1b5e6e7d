"""Loading: the same batches with any number of workers, from any saved position."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain, islice, repeat
from pathlib import Path

import joblib
import pytest
import torch

from vall_e.config.dataset import DatasetConfig
from vall_e.data import workers
from vall_e.data.dataset import Key, SpeechDataset
from vall_e.data.loader import Loader, open_loader
from vall_e.data.sample import Sample
from vall_e.data.sampling.cursor import SampleCursor
from vall_e.errors import DataError

from .test_dataset import assert_same_sample
from .tones import open_dataset

BATCHES_OF_EPOCH = 5


def loader(store: Path, workers: int = 0, batch_size: int = 2, seed: int = 0) -> Loader:
    return open_loader(open_dataset(store, seed=seed), DatasetConfig(workers=workers), batch_size, seed)


def assert_same_batches(one: list[list[Sample]], other: list[list[Sample]]) -> None:
    assert [len(batch) for batch in one] == [len(batch) for batch in other]
    for a, b in zip(chain(*one), chain(*other), strict=True):
        assert_same_sample(a, b)


def test_every_epoch_visits_every_utterance_once(tone_store: Path):
    batches = loader(tone_store)
    for epoch in range(3):
        assert batches.epoch == epoch
        visited = [sample.utterance for batch in islice(batches, BATCHES_OF_EPOCH) for sample in batch]
        assert len(visited) == len(set(visited)) == 9


def test_workers_change_nothing(tone_store: Path):
    alone, helped = loader(tone_store), loader(tone_store, workers=2)
    assert_same_batches(list(islice(alone, 12)), list(islice(helped, 12)))
    helped.close()


def first_batch(store: Path, workers: int) -> list[Sample]:
    batches = loader(store, workers)
    try:
        return next(batches)
    finally:
        batches.close()


def test_workers_start_in_a_job_of_joblib(tone_store: Path):
    # Two jobs, as one alone would run in this process.
    jobs = joblib.Parallel(n_jobs=2)(joblib.delayed(first_batch)(tone_store, 1) for _ in range(2))
    assert_same_batches(jobs, [first_batch(tone_store, 0)] * 2)


@pytest.mark.parametrize(("done", "workers"), [(0, (0, 0)), (1, (0, 2)), (5, (0, 0)), (7, (2, 0)), (12, (0, 0))])
def test_a_restored_loader_goes_on_exactly(tone_store: Path, done: int, workers: tuple[int, int]):
    whole = list(islice(loader(tone_store), done + 8))
    first = loader(tone_store, workers[0])
    list(islice(first, done))
    state = json.loads(json.dumps(first.state_dict()))
    first.close()
    second = loader(tone_store, workers[1])
    second.load_state_dict(state)
    assert_same_batches(list(islice(second, 8)), whole[done:])
    second.close()


def test_a_running_loader_can_be_set_back(tone_store: Path):
    batches = loader(tone_store)
    start = batches.state_dict()
    before = list(islice(batches, 3))
    batches.load_state_dict(start)
    assert_same_batches(list(islice(batches, 3)), before)


def test_changed_batching_goes_on_with_the_next_epoch(tone_store: Path, caplog: pytest.LogCaptureFixture):
    first = loader(tone_store)
    list(islice(first, 3))
    second = loader(tone_store, batch_size=3)
    second.load_state_dict(first.state_dict())
    assert second.state_dict()["epoch"] == 1
    assert "differ" in caplog.text


def test_making_batches_leaves_torchs_random_state_alone(tone_store: Path):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches = loader(tone_store, workers=1)
    next(batches)
    batches.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_recent_gives_the_samples_just_handed_out_then_coming_ones(tone_store: Path):
    whole = list(chain(*islice(loader(tone_store), 10)))
    batches = loader(tone_store)
    assert_same_batches([batches.recent(3)], [whole[:3]])
    list(islice(batches, 2))
    state = batches.state_dict()
    assert_same_batches([batches.recent(2)], [whole[2:4]])
    assert_same_batches([batches.recent(12)], [whole[:12]])
    assert batches.recent(0) == []
    assert batches.state_dict() == state
    assert_same_batches([next(batches)], [whole[4:6]])


def test_an_error_in_a_worker_is_told(tmp_path: Path, tone_store: Path):
    store = tmp_path / "s.h5"
    store.write_bytes(tone_store.read_bytes())
    batches = loader(store, workers=1)
    store.unlink()
    with pytest.raises(DataError, match=r"s\.h5 does not exist"):
        next(batches)


def test_an_abandoned_loader_does_not_hold_up_the_end_of_the_process(tone_store: Path):
    script = (
        "import sys; from pathlib import Path; from tests.data.test_loader import loader\n"
        "from vall_e.data import workers; workers.GRACE_SECONDS = 900\n"
        "cycle = [loader(Path(sys.argv[1]), workers=2)]; cycle.append(cycle); next(cycle[0]); del cycle\n"
        "kept = loader(Path(sys.argv[1]), workers=2); next(kept); print('ending', flush=True)\n"
    )
    command, root = [sys.executable, "-c", script, str(tone_store)], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "ending\n"), done.stderr


def test_signals_to_the_process_group_do_not_end_the_workers(tone_store: Path):
    def train(pipe: multiprocessing.connection.Connection) -> None:
        os.setpgrp()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        batches = loader(tone_store, workers=2)
        list(islice(batches, 2))  # one of each worker, so that both have started
        os.killpg(0, signal.SIGINT)
        os.killpg(0, signal.SIGTERM)
        time.sleep(0.2)
        pipe.send(sum(len(batch) for batch in islice(batches, 20)))
        batches.close()

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=train, args=(there,))
    process.start()
    try:
        assert here.poll(300)
        assert here.recv() == 36
        process.join(300)
        assert process.exitcode == 0
    finally:
        process.kill()


class HangingDataset(SpeechDataset):
    """Never comes back, and hears no signal but SIGKILL, as what waits for a lock in C; says so by a byte."""

    pipe: int

    def samples(self, keys: Sequence[Key]) -> list[Sample]:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        os.write(self.pipe, b".")
        time.sleep(1_000_000)
        return super().samples(keys)


def test_workers_that_hang_are_killed(tone_store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    monkeypatch.setattr(workers, "GRACE_SECONDS", 0.1)
    dataset = open_dataset(tone_store, "training")
    dataset.__class__ = HangingDataset
    reader, dataset.pipe = os.pipe()
    made = workers.Workers(dataset, repeat([(0, 0)]), 2)
    processes = made._deliveries._workers
    assert os.read(reader, 1) + os.read(reader, 1) == b".."
    made.close()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL] * 2


def test_a_cursor_takes_successive_samples_and_can_be_restored(tone_store: Path):
    dataset = open_dataset(tone_store, "validation")
    whole = SampleCursor(dataset, seed=0).take(9)
    cursor = SampleCursor(dataset, seed=0)
    first = cursor.take(2)
    again = SampleCursor(dataset, seed=0)
    again.load_state_dict(json.loads(json.dumps(cursor.state_dict())))
    assert_same_batches([first + again.take(7)], [whole])
    for epoch in range(3):
        assert len({sample.utterance for sample in whole[3 * epoch : 3 * epoch + 3]}) == 3
