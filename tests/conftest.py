"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of random codes."""
    from .small_run import identity, write_speech  # the tests of the configuration run without torch

    path = tmp_path_factory.mktemp("speech") / "speech.h5"
    write_speech(path, identity())
    return path
