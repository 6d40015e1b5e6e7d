"""`python -m benchmarks.store`: opening a large dataset, reading one at random, and whether a training step waits."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch.utils.data

from benchmarks.compression import compare_layouts
from benchmarks.reading import CODEC, GroupRows, Speech
from vall_e.config.dataset import DatasetConfig
from vall_e.config.model import ModelConfig
from vall_e.config.schema import Config
from vall_e.data.dataset import SpeechDataset
from vall_e.data.loader import open_loader
from vall_e.engines.local import LocalEngine
from vall_e.text import open_tokenizer

BATCH = 32
PROMPTS = 3
RESET_PEAK = "5"
"""What Linux takes as the order to forget the peak of memory so far."""


def open_dataset(path: Path, task: str = "tts") -> SpeechDataset:
    """All utterances of a store, with prompts of 3 to 6 s where the task has any."""
    cfg = DatasetConfig(validate=False, prompt_max_samples=PROMPTS, tasks_list=[task])
    return SpeechDataset(path, cfg, open_tokenizer(None, None), "training", CODEC.frame_rate, 0)


def opening(path: Path) -> tuple[float, float, float]:
    """In a process of its own: seconds to open a dataset, MiB that this and 1000 samples take at most, seconds until
    the first batch of an epoch is known."""
    open_tokenizer(None, None)
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    before, began = memory("VmRSS"), time.perf_counter()
    dataset = open_dataset(path)
    opened = time.perf_counter()
    for index in np.random.default_rng(0).integers(0, len(dataset), 1000).tolist():
        dataset.sample(index, 0)
    took = memory("VmHWM") - before
    began_epoch = time.perf_counter()
    next(open_loader(dataset, DatasetConfig(workers=0, validate=False), BATCH, 0))
    return opened - began, took, time.perf_counter() - began_epoch


def memory(name: str) -> float:
    """A figure of this process's memory in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@dataclass(frozen=True)
class Speed:
    """Items a second by the clock, and by the time that processors spent on them, in workers too."""

    clock: float
    processor: float


def group_batches(dataset: GroupRows, rows: Sequence[int], workers: int) -> Iterator[Sequence[Any]]:
    """Batches of rows of a file of groups, as torch's loader makes them and hands them over."""
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        sampler=rows,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context="fork" if workers else None,
    )
    return iter(loader)


def speed(batches: Iterator[Sequence[Any]], workers: int, count: int) -> Speed:
    """How fast samples come, their start and the batches that workers make ahead left out."""
    for _ in range(2 * workers + 1):
        next(batches)
    processes = [os.getpid(), *(one.pid for one in multiprocessing.active_children() if one.pid)]
    spent, began = processor_seconds(processes), time.perf_counter()
    items = sum(len(batch) for batch in islice(batches, count // BATCH))
    took, used = time.perf_counter() - began, processor_seconds(processes) - spent
    return Speed(items / took, items / used)


def processor_seconds(processes: Sequence[int]) -> float:
    """What the processes have spent so far."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes]
    return sum(int(one[11]) + int(one[12]) for one in stats) / os.sysconf("SC_CLK_TCK")


def compare_reading(folder: Path, count: int, each: int, repeats: int, *, metadata: bool) -> None:
    """Print how much faster utterances and samples are read than from a group each, by number of workers. Speakers
    have about `each` utterances."""
    speech = Speech(count, max(1, count // each), (150, 600))
    store, groups = speech.write_store(folder / "store.h5"), speech.write_groups(folder / "groups.h5")
    print(f"{count} utterances: store {megabytes(store)}, group an utterance {megabytes(groups)}")
    draw = np.random.default_rng(1)
    for what, task, prompts in (("utterances", "stt", 0), ("samples", "tts", PROMPTS)):
        rows = GroupRows(groups, speech, prompts, speech.metadata() if metadata else ())
        dataset = open_dataset(store, task)
        for workers in (0, 2, 4):
            found = []
            for _ in range(repeats):
                drawn = draw.integers(0, count, 1600 + BATCH * (2 * workers + 1)).tolist()
                slow = speed(group_batches(rows, drawn, workers), workers, 1600)
                loader = open_loader(dataset, DatasetConfig(workers=workers, validate=False), BATCH, 0)
                found.append((speed(loader, workers, 24_000), slow))
                loader.close()
            report(f"{what} with {workers} workers", found)


def report(what: str, found: Sequence[tuple[Speed, Speed]]) -> None:
    """Print medians of both sides, and of the ratios of pairs."""
    ours, theirs = ([pair[side].clock for pair in found] for side in (0, 1))
    by_clock = statistics.median(a.clock / b.clock for a, b in found)
    by_processor = statistics.median(a.processor / b.processor for a, b in found)
    rates = f"{statistics.median(ours):,.0f}/s against {statistics.median(theirs):,.0f}/s"
    print(f"{what}: {rates}, {by_clock:.1f} times; {by_processor:.1f} times by processor time", flush=True)


def megabytes(path: Path) -> str:
    """The size of a file."""
    return f"{path.stat().st_size / 1e6:.0f} MB"


def share_waiting(folder: Path, size: str, steps: int, batch_size: int) -> None:
    """Print how much of a training step passes until its batch is there."""
    cfg = Config(device="auto", model=ModelConfig(size=size))
    path = Speech(2000, 20, (150, 600)).write_store(folder / "training.h5")
    engine = LocalEngine(cfg, open_tokenizer(None, None), CODEC)
    loader = open_loader(open_dataset(path), DatasetConfig(workers=2, validate=False), batch_size, 0)
    waited, took = [], []
    for _ in range(steps + 1):
        began = time.perf_counter()
        batch = next(loader)
        waited.append(time.perf_counter() - began)
        engine.step([batch])
        took.append(time.perf_counter() - began)
    began = time.perf_counter()
    for _ in islice(loader, 200):
        pass
    alone = (time.perf_counter() - began) / 200
    loader.close()
    # The first step also waits for the workers to start.
    wait, step = statistics.median(waited[1:]), statistics.median(took[1:])
    waiting = f"{wait * 1e3:.2f} ms of {step * 1e3:,.0f} ms waiting ({wait / step:.3%})"
    print(f"{size} model, {batch_size} samples a step: {waiting}; a batch takes 2 workers {alone * 1e3:.1f} ms alone")


def main() -> None:
    """Measure all four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", type=int, default=1_000_000, help="utterances of the large dataset")
    parser.add_argument("--count", type=int, default=5_000, help="utterances to read at random")
    parser.add_argument("--each", type=int, default=100, help="of them by every speaker, about")
    parser.add_argument("--metadata", action="store_true", help="groups: read a speaker's JSON for every prompt")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", default="full", help="model of the training step")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--parts", nargs="+", default=["layouts", "reading", "step", "million"])
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "layouts" in told.parts:
            compare_layouts(folder)
        if "reading" in told.parts:
            compare_reading(folder, told.count, told.each, told.repeats, metadata=told.metadata)
        if "step" in told.parts:
            share_waiting(folder, told.size, told.steps, told.batch_size)
        if "million" in told.parts:
            open_million(folder, told.million)


def open_million(folder: Path, count: int) -> None:
    """Print what opening a large dataset costs, in a process that has imported everything."""
    began = time.perf_counter()
    path = Speech(count, 10_000, (8, 24)).write_store(folder / "million.h5")
    print(f"{count:,} utterances written in {time.perf_counter() - began:.0f} s, {megabytes(path)}")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, took, epoch = pool.apply(opening, (path,))
    print(f"opened in {seconds:.2f} s, {took:.0f} MiB at most; first batch of an epoch after {epoch:.2f} s more")


if __name__ == "__main__":
    main()
