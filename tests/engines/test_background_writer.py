"""Files that cannot be written: the run goes on, and hears of it."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from vall_e.engines.background_writer import BackgroundWriter
from vall_e.errors import CheckpointError
from vall_e.models.weights.weights_file import write_tensors

TENSORS = {"weight": torch.zeros(100_000)}
Write = Callable[[Path], object]


@pytest.fixture
def full() -> Iterator[None]:
    """While it lasts no file of this process grows beyond 50 kB, as on a disk without room."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: (folder / "states.json").write_bytes(bytes(100_000)),
        lambda folder: write_tensors(folder / "fp32.safetensors", TENSORS, {}),
        lambda folder: write_tensors(folder / "fp32.pth", TENSORS, {}),
    ],
    ids=["json", "safetensors", "pickle"],
)
def test_a_full_disk_is_told_at_once_and_raised_at_the_end(
    full: None, tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    writer = BackgroundWriter()
    writer.submit("the checkpoint", lambda: (write(tmp_path), None)[1])
    writer.submit("the export", lambda: None)
    assert "the checkpoint cannot be written" in caplog.text
    with pytest.raises(CheckpointError, match="the checkpoint cannot be written"):
        writer.finish()
    writer.close()


def test_a_later_save_that_succeeds_makes_up_for_one_that_failed(full: None, tmp_path: Path) -> None:
    writer = BackgroundWriter()
    writer.submit("the checkpoint", lambda: write_tensors(tmp_path / "one.safetensors", TENSORS, {}))
    writer.submit("the checkpoint", lambda: write_tensors(tmp_path / "two.safetensors", {}, {}))
    writer.finish()
    writer.close()


def test_what_is_wrong_with_a_job_itself_ends_the_run() -> None:
    writer = BackgroundWriter()
    writer.submit("the checkpoint", lambda: {}["missing"])
    with pytest.raises(KeyError, match="missing"):
        writer.submit("the export", lambda: None)
    writer.close()
