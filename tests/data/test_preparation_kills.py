"""Wherever preparation is killed, the next run finishes what it began, and the dataset is that of a run in peace.

VALL_E_KILLS=20 kills more often at random times; each step is killed on purpose, besides.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from tests.child import ended, forked, interrupted
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline import journal, judgement, pack
from vall_e.data.pipeline.report import report_path
from vall_e.data.prepare import prepare
from vall_e.data.store.column_writer import ColumnFileWriter
from vall_e.data.store.store_writer import StoreWriter

from .heard import BurstTranscriber, bursts, record
from .tones import EnergyCodec

KILLS = int(os.environ.get("VALL_E_KILLS", "5"))
RECORDINGS = 8


class SlowCodec(EnergyCodec):
    """Takes a while, so that kills fall into its work."""

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        time.sleep(0.003)
        return super().encode(wave)

    def latents(self, codes: torch.Tensor) -> torch.Tensor:
        time.sleep(0.003)
        return codes.float()


class SlowTranscriber(BurstTranscriber):
    """Takes a while, too."""

    def transcribe(self, wave: np.ndarray, language: str | None) -> Any:
        time.sleep(0.003)
        return super().transcribe(wave, language)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings that every step has something to do with, one of them of no use."""
    folder = tmp_path_factory.mktemp("killed") / "corpus"
    for number in range(RECORDINGS):
        record(folder / f"anna/{number}.wav", bursts(0.4 + 0.05 * number, 0.6))
    (folder / "anna/broken.wav").write_bytes(b"RIFF")
    return folder


def settings(corpus: Path, store: Path) -> Config:
    return Config(
        dataset=DatasetConfig(source=str(corpus), hdf5_name=str(store)),
        preparation=PreparationConfig(transcribe="bursts", slice_over=1.0, trim_silence=True, similar_top_k=2),
    )


def run(cfg: Config) -> None:
    prepare(cfg, SlowCodec(), transcriber=SlowTranscriber(), part_size=3)


def content(store: Path) -> dict[str, Any]:
    """All that a dataset and its report hold, but how much the last run had to make."""
    found: dict[str, Any] = {}
    for path in sorted(store.parent.glob("s*.h5")):
        with h5py.File(path) as file:
            found |= {f"{path.name}/{name}": file[name][:].tolist() for name in file}
            found[path.name] = {name: str(value) for name, value in file.attrs.items()}
    report = json.loads(report_path(store).read_text())
    return found | {"report": {**report, "encoded": 0, "path": ""}}


@pytest.fixture(scope="module")
def in_peace(corpus: Path) -> dict[str, Any]:
    store = corpus.parent / "peace/s.h5"
    run(settings(corpus, store))
    found = content(store)
    assert found["report"]["utterances"] == 2 * RECORDINGS
    assert found["report"]["dropped_in"] == {"transcribe": 1}
    return found


def killed(cfg: Config, prepared: Callable[[], None], after: float | None = None) -> bool:
    """Run in a process of its own that kills itself, or is killed after some seconds; whether it was."""
    if after is None:
        status = ended(forked(lambda: (prepared(), run(cfg))))
    else:
        status = ended(forked(lambda: interrupted(lambda: run(cfg), signal.SIGKILL, lambda: time.sleep(after))))
    assert status in (0, -signal.SIGKILL)
    return status != 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_journal(step: str, calls: int) -> None:
    """The process dies while it writes a line of a step's journal, with half of the line written."""
    whole = journal.Journal.add

    def add(self: journal.Journal, key: str, result: Any) -> None:
        nonlocal calls
        if self._folder.name == step:
            calls -= 1
            if calls < 0:
                file = self._file or self._opened()
                file.write(json.dumps([key, result])[:20].encode())
                file.flush()
                die()
        whole(self, key, result)

    journal.Journal.add = add  # type: ignore[method-assign]


def dies_in_store(folder: str, calls: int) -> None:
    """The process dies while it writes a store: a part, or the dataset."""
    whole = StoreWriter.append

    def append(self: StoreWriter, *arguments: Any) -> None:
        nonlocal calls
        if self.path.parent.name == folder:
            calls -= 1
            if calls < 0:
                die()
        whole(self, *arguments)

    StoreWriter.append = append  # type: ignore[method-assign]


def dies_among_vectors(calls: int) -> None:
    """The process dies while it writes a file of vectors."""
    whole = ColumnFileWriter.commit

    def commit(self: ColumnFileWriter, *arguments: Any) -> None:
        nonlocal calls
        if "vectors" in self.columns:
            calls -= 1
            if calls < 0:
                die()
        whole(self, *arguments)

    ColumnFileWriter.commit = commit  # type: ignore[method-assign]


def dies_before_judging() -> None:
    judgement.replacing = lambda _: die()  # type: ignore[assignment]


def dies_before_replacing() -> None:
    pack.os.replace = lambda *_: die()  # type: ignore[assignment]


def dies_after_replacing() -> None:
    replace = pack.os.replace
    pack.os.replace = lambda *paths: (replace(*paths), die())  # type: ignore[assignment]


STEPS: dict[str, Callable[[random.Random], Callable[[], None]]] = {
    "content": lambda draw: lambda: dies_in_journal("content", draw.randrange(RECORDINGS)),
    "transcribe": lambda draw: lambda: dies_in_journal("transcribe", draw.randrange(RECORDINGS)),
    "segment": lambda draw: lambda: dies_in_journal("segment", draw.randrange(RECORDINGS)),
    "phonemise": lambda draw: lambda: dies_in_journal("phonemise", 1),
    "encode": lambda draw: lambda: dies_in_store("parts", draw.randrange(2 * RECORDINGS)),
    "features": lambda draw: lambda: dies_among_vectors(draw.randrange(2 * RECORDINGS // 3)),
    "vectors joined": lambda _: lambda: dies_among_vectors(-(-2 * RECORDINGS // 3)),
    "judge": lambda _: dies_before_judging,
    "pack": lambda draw: lambda: dies_in_store("pack", draw.randrange(2 * RECORDINGS)),
    "before it appears": lambda draw: dies_before_replacing,
    "after it appeared": lambda draw: dies_after_replacing,
}


@pytest.mark.parametrize("step", list(STEPS))
def test_a_kill_in_any_step_changes_nothing(corpus: Path, in_peace: dict[str, Any], tmp_path: Path, step: str):
    cfg = settings(corpus, tmp_path / "s.h5")
    assert killed(cfg, STEPS[step](random.Random(step)))
    run(cfg)
    assert content(tmp_path / "s.h5") == in_peace
    assert {path.name for path in (tmp_path / "s.h5.work").iterdir()} == {
        "content",
        "transcribe",
        "segment",
        "features",
    }


def test_kills_at_random_times_change_nothing(corpus: Path, in_peace: dict[str, Any], tmp_path: Path):
    draw = random.Random(0)
    cfg = settings(corpus, tmp_path / "s.h5")
    kills = 0
    while kills < KILLS:
        if killed(cfg, lambda: None, after=draw.uniform(0.02, 0.3)):
            kills += 1
        else:  # it was faster: begin again
            (tmp_path / "s.h5").unlink()
            shutil.rmtree(tmp_path / "s.h5.work")
    run(cfg)
    assert content(tmp_path / "s.h5") == in_peace
