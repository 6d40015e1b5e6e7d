"""What tests of several folders share."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tqdm import tqdm

# Tests run side by side, and their models are small: threads of one would only wait for cores that others have. It is
# read when torch is imported, by every process that a test starts, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What DeepSpeed compiles lies with the checkout. A process that is killed while it compiles leaves a lock, for which
# all others would wait: in the user's cache for ever, here until the next session of tests.
EXTENSIONS = Path(__file__).parents[1] / ".pytest_cache" / "torch_extensions"
os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(EXTENSIONS))

# A lock of this process alone. tqdm's own is shared with all that is forked: a process killed while it holds the lock
# would leave the others waiting for ever. Nor shall its thread that looks after bars hold this one amid a fork.
tqdm.set_lock(threading.RLock())
tqdm.monitor_interval = 0

settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Remove the locks of killed processes, before workers begin."""
    if not hasattr(config, "workerinput"):
        for lock in EXTENSIONS.glob("**/lock"):
            lock.unlink(missing_ok=True)


def pytest_collection_finish() -> None:
    """Spare the garbage collector all that was made by importing and collecting, which stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of random codes."""
    from .small_run import identity, write_speech  # the tests of the configuration run without torch

    path = tmp_path_factory.mktemp("speech") / "speech.h5"
    write_speech(path, identity())
    return path
